package chat

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"golang.org/x/net/idna"

	"bitb/domain"
)

// botColumns are read into a Bot. Within a case the key stays away: support has no grant on it.
func botColumns(ctx context.Context) string {
	const others = ", name, greeting, suggestions, fallback, brand, corner, origins, updated_at"
	if domain.InCase(ctx) {
		return "id, '00000000-0000-0000-0000-000000000000'::uuid" + others
	}
	return "id, key" + others
}

func scanBot(row pgx.CollectableRow) (Bot, error) {
	var b Bot
	err := row.Scan(&b.ID, &b.Key, &b.Name, &b.Greeting, &b.Suggestions, &b.Fallback, &b.Brand, &b.Corner, &b.Origins, &b.UpdatedAt)
	return b, err
}

// FirstBot writes the first bot of a new tenant within the transaction of the sign-up, which runs as the system.
func FirstBot(ctx context.Context, tx pgx.Tx, tenantID domain.ID, company string) error {
	id, key := domain.NewID(), domain.NewID()
	_, err := tx.Exec(ctx, "insert into bots (tenant_id, id, key, name, greeting, fallback) values ($1, $2, $3, $4, $5, $6)",
		tenantID, id, key, company, "What would you like to know?",
		"I could not find this in our documents, so I would rather not guess.")
	if err != nil {
		return fmt.Errorf("insert the first bot: %w", err)
	}
	_, err = tx.Exec(ctx, "insert into auth.bot_keys (key, tenant_id, bot_id) values ($1, $2, $3)", key, tenantID, id)
	if err != nil {
		return fmt.Errorf("insert the bot's key: %w", err)
	}
	return nil
}

// Bot returns the tenant's bot. A tenant has one today.
func (s *Service) Bot(ctx context.Context, tenantID domain.ID) (Bot, error) {
	var b Bot
	err := s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+botColumns(ctx)+" from bots where tenant_id = $1 order by created_at, id limit 1", tenantID)
		if err != nil {
			return err
		}
		b, err = pgx.CollectExactlyOneRow(rows, scanBot)
		return err
	})
	return b, err
}

// ByKey returns the bot that a website names, and its tenant. An unknown key is domain.NotFound.
func (s *Service) ByKey(ctx context.Context, key domain.ID) (tenantID domain.ID, b Bot, err error) {
	var botID domain.ID
	err = s.db.AsSystem(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, "select tenant_id, bot_id from auth.bot_keys where key = $1", key).Scan(&tenantID, &botID)
	})
	if domain.CodeOf(err) == domain.NotFound {
		return tenantID, b, domain.NewError(domain.NotFound, "There is no bot with this key. Copy the snippet from the Bot page again.")
	}
	if err != nil {
		return tenantID, b, err
	}
	b, err = s.botByID(ctx, tenantID, botID)
	return tenantID, b, err
}

func (s *Service) botByID(ctx context.Context, tenantID, id domain.ID) (b Bot, err error) {
	err = s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, "select "+botColumns(ctx)+" from bots where tenant_id = $1 and id = $2", tenantID, id)
		if err != nil {
			return err
		}
		b, err = pgx.CollectExactlyOneRow(rows, scanBot)
		return err
	})
	return b, err
}

// BotForm is what an admin may change of a bot.
type BotForm struct {
	Name, Greeting, Suggestions, Fallback, Brand, Corner string // Suggestions: one a line
}

// SaveBot checks the form and saves it. Wrong fields come back as domain.Invalid.
func (s *Service) SaveBot(ctx context.Context, tenantID, botID domain.ID, form BotForm) error {
	b, err := form.check()
	if err != nil {
		return err
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return one(tx.Exec(ctx, `update bots set name = $3, greeting = $4, suggestions = $5, fallback = $6, brand = $7, corner = $8, updated_at = now()
			where tenant_id = $1 and id = $2`, tenantID, botID, b.Name, b.Greeting, b.Suggestions, b.Fallback, b.Brand, b.Corner))
	})
}

var colour = regexp.MustCompile(`^#[0-9a-f]{6}$`)

func (f BotForm) check() (Bot, error) {
	wrong := map[string]string{}
	text := func(field, value string, least, most int) string {
		value = strings.TrimSpace(strings.Map(dropControl, strings.ToValidUTF8(value, "\uFFFD")))
		switch n := utf8.RuneCountInString(value); {
		case n < least:
			wrong[field] = "Write something here: visitors read it."
		case n > most:
			wrong[field] = domain.TooLong(n, most)
		}
		return value
	}
	b := Bot{
		Name:     text("name", f.Name, 1, 60),
		Greeting: text("greeting", f.Greeting, 1, 200),
		Fallback: text("fallback", f.Fallback, 1, 400),
		Brand:    strings.ToLower(strings.TrimSpace(f.Brand)),
		Corner:   f.Corner,
	}
	b.Suggestions = []string{}
	for line := range strings.Lines(f.Suggestions) {
		if line = text("suggestions", line, 0, 120); line != "" {
			b.Suggestions = append(b.Suggestions, line)
		}
	}
	if len(b.Suggestions) > 6 {
		wrong["suggestions"] = "Offer six questions at most; more are not read."
	}
	if !colour.MatchString(b.Brand) {
		wrong["brand"] = "Write the colour as # and six digits, such as #0e5a6e."
	} else if _, ratio := OnBrand(b.Brand); ratio < 4.5 {
		wrong["brand"] = "Neither black nor white text reads well on this colour. Choose a darker or a lighter one."
	}
	if b.Corner != "left" && b.Corner != "right" {
		wrong["corner"] = "Choose the left or the right corner."
	}
	if len(wrong) > 0 {
		return Bot{}, &domain.Error{Code: domain.Invalid, Message: "Some fields need another look.", Fields: wrong}
	}
	return b, nil
}

func dropControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return -1
	}
	return r
}

// OnBrand picks white or near-black text for a brand colour "#rrggbb" and returns its contrast ratio, 1 to 21, as WCAG 2.2
// defines it.
func OnBrand(brand string) (text string, ratio float64) {
	n, err := strconv.ParseUint(strings.TrimPrefix(brand, "#"), 16, 32)
	if err != nil {
		return "#ffffff", 1
	}
	linear := func(c uint64) float64 {
		v := float64(c&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	l := 0.2126*linear(n>>16) + 0.7152*linear(n>>8) + 0.0722*linear(n)
	const ink, inkLuminance = "#101418", 0.0069
	white, dark := 1.05/(l+0.05), (l+0.05)/(inkLuminance+0.05)
	if white >= 4.5 || white >= dark {
		return "#ffffff", white
	}
	return ink, dark
}

// AllowOrigin adds a site on which the bot answers. What was typed is brought to the form a browser sends.
func (s *Service) AllowOrigin(ctx context.Context, tenantID, botID domain.ID, typed string) error {
	origin, err := ParseOrigin(typed)
	if err != nil {
		return err
	}
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		var origins []string
		err := tx.QueryRow(ctx, "select origins from bots where tenant_id = $1 and id = $2 for update", tenantID, botID).Scan(&origins)
		switch {
		case err != nil:
			return err
		case slices.Contains(origins, origin):
			return nil
		case len(origins) >= 50:
			return domain.InvalidField("origin", "Fifty sites are the most. Remove one first.")
		}
		_, err = tx.Exec(ctx, "update bots set origins = $3, updated_at = now() where tenant_id = $1 and id = $2",
			tenantID, botID, append(origins, origin))
		return err
	})
}

// ForbidOrigin removes a site; one that is not there is removed already.
func (s *Service) ForbidOrigin(ctx context.Context, tenantID, botID domain.ID, origin string) error {
	return s.db.InTenant(ctx, tenantID, func(tx pgx.Tx) error {
		return one(tx.Exec(ctx, "update bots set origins = array_remove(origins, $3), updated_at = now() where tenant_id = $1 and id = $2",
			tenantID, botID, origin))
	})
}

// ParseOrigin turns what a person types ("example.com", "https://Example.com/help") into an origin as browsers send it:
// scheme, host, and the port unless it is the scheme's own. https stands for none typed.
func ParseOrigin(typed string) (string, error) {
	wrong := domain.InvalidField("origin", "Enter the address of a site, such as https://www.example.com.")
	typed = strings.TrimSpace(typed)
	if !strings.Contains(typed, "://") {
		typed = "https://" + typed
	}
	u, err := url.Parse(typed)
	if err != nil || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return "", wrong
	}
	host, err := idna.Lookup.ToASCII(u.Hostname()) // browsers send müller.example as xn--mller-kva.example
	if err != nil || host == "" || len(host) > 253 || strings.HasPrefix(host, ".") || strings.HasSuffix(host, ".") || !hostname.MatchString(host) {
		return "", wrong
	}
	port := u.Port()
	if (u.Scheme == "https" && port == "443") || (u.Scheme == "http" && port == "80") {
		port = ""
	}
	if port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "", wrong
		}
		port = ":" + port
	}
	return u.Scheme + "://" + host + port, nil
}

var hostname = regexp.MustCompile(`^([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$`)

// one turns an update that met no row into domain.NotFound.
func one(tag interface{ RowsAffected() int64 }, err error) error {
	if err == nil && tag.RowsAffected() == 0 {
		return pgx.ErrNoRows
	}
	return err
}
