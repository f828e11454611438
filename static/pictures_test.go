package static_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestPictures takes pictures of the widget's states for a person to look at, when BITB_PICTURES names a folder for them.
func TestPictures(t *testing.T) {
	folder := os.Getenv("BITB_PICTURES")
	if folder == "" {
		t.Skip("BITB_PICTURES names no folder, so no pictures were taken")
	}
	hold := make(chan struct{})
	defer close(hold)
	script := func(q string, _ int, w *wire) (message, refusal) {
		switch q {
		case "Do you print books?":
			return message{Status: "fallback", Text: "I could not find this in our documents. Write to hello@paperboat.example and we will look into it."}, refusal{}
		case "What does it cost to send a parcel to Norway?":
			w.words("A parcel to Norway costs **14.00** and takes four to six working days.[1] Duties are")
			<-hold
			return message{}, refusal{}
		case "Again?":
			return message{}, refusal{status: 429, Code: "rate_limited", Message: "That was a lot of questions at once. Try again in 20 seconds.", RetryAfter: 20}
		case "Which zones are there?":
			return message{Status: "complete", Text: "There are three zones:[1]\n\n| Zone | Countries | Price |\n|---|---|--:|\n| 1 | Ours | 4.50 |\n| 2 | Neighbours | 9.00 |\n| 3 | Everywhere else | 14.00 |\n\n" +
				"1. Choose the zone at the checkout.\n2. Enter `FREE60` when the order is *60 or more*.",
				Sources: shipping.Sources[:1]}, refusal{}
		case "كم تكلفة الشحن؟":
			return message{Status: "complete", Text: "الشحن داخل البلد يكلف **4.50**، ومجاني ابتداءً من 60.[1] يستغرق يومي عمل.[2]",
				Sources: []source{{1, "دليل الشحن والإرجاع 2026", 4, "الشحن › الأسعار", "الشحن داخل البلد يكلف 4.50. الطلبات ابتداءً من 60 ترسل مجانًا."}, {2, "Help centre: delivery times", 0, "", "Two working days."}}}, refusal{}
		}
		w.words(shipping.Text)
		return shipping, refusal{}
	}
	for _, theme := range []string{"light", "dark"} {
		for _, width := range []int64{1280, 390} {
			for _, dir := range []string{"ltr", "rtl"} {
				p := newTab(t)
				size := chromedp.EmulateViewport(width, 760)
				if width == 390 {
					size = chromedp.EmulateViewport(390, 760, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2))
				}
				if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}); err != nil {
					t.Fatal(err)
				}
				n := 0
				shoot := func(name string) {
					n++
					picture, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
					if err != nil {
						t.Fatal(err)
					}
					path := filepath.Join(folder, theme+"-"+map[int64]string{1280: "1280", 390: "390"}[width]+"-"+dir+"-"+name+".png")
					if err := os.WriteFile(path, picture, 0o644); err != nil {
						t.Fatal(err)
					}
				}
				url := site(t, newServer(script), page{Dir: dir, css: `:root { color-scheme: light dark }`})
				p.do(size, chromedp.Navigate(url))
				p.until(`$(".launch")`)
				shoot("1-page")
				p.click(".launch")
				p.until(`getComputedStyle($(".panel")).opacity === "1"`)
				shoot("2-open")
				if dir == "rtl" {
					p.ask("كم تكلفة الشحن؟")
					p.answered()
					shoot("3-answer")
					p.click(".a .cite")
					p.until(`!$(".passage").hidden`)
					shoot("4-passage")
					continue
				}
				p.ask("What does shipping cost?")
				p.answered()
				shoot("3-answer")
				p.click(".a .cite")
				p.until(`!$(".passage").hidden`)
				shoot("4-passage")
				p.click(".passage .quiet")
				p.ask("Which zones are there?")
				p.answered()
				shoot("5-table")
				p.ask("Do you print books?")
				p.answered()
				shoot("6-not-found")
				p.ask("Again?")
				p.answered()
				shoot("7-trouble")
				p.ask("What does it cost to send a parcel to Norway?")
				p.until(`$(".a.live")?.textContent.includes("Duties")`)
				shoot("8-streaming")
				p.click(".send")
				p.answered()
				shoot("9-stopped")
			}
		}
	}
}
