package extract

import (
	"cmp"
	"encoding/xml"
	"strconv"
	"strings"
)

// maxODFLevel is how deep OpenDocument counts lists and headings.
const maxODFLevel = 10

// odfLevels is how the items on each level of a list are marked, from 1.
type odfLevels [maxODFLevel + 1]odfLevel

type odfLevel struct {
	kind           odfLevelKind
	format         string // of the number: "1", "a", "A", "i", "I"; empty for none
	prefix, suffix string
	display        int // how many levels the label shows
	start          int
}

type odfLevelKind byte

const (
	odfBullet odfLevelKind = iota + 1
	odfNumber
)

func (l *odfLevels) read(x *xmlReader) error {
	return x.each(func(e xml.StartElement) error {
		n, err := strconv.Atoi(attrOf(e, "level"))
		if err != nil || n < 1 || n > maxODFLevel {
			return x.skip()
		}
		level := odfLevel{kind: odfBullet}
		if strings.HasSuffix(e.Name.Local, "-number") || e.Name.Local == "outline-level-style" {
			level = odfLevel{kind: odfNumber, format: attrOf(e, "num-format"), display: 1, start: 1}
			if prefix, suffix := attrOf(e, "num-prefix"), attrOf(e, "num-suffix"); len(prefix)+len(suffix) < 100 {
				level.prefix, level.suffix = prefix, suffix
			}
			if n, err := strconv.Atoi(attrOf(e, "display-levels")); err == nil {
				level.display = n
			}
			if n, err := strconv.Atoi(attrOf(e, "start-value")); err == nil {
				level.start = n
			}
		}
		l[n] = level
		return x.skip()
	})
}

// odfCounter numbers the items of a list, or the headings.
type odfCounter struct {
	counts [maxODFLevel + 1]int // the last number on each level
	used   [maxODFLevel + 1]bool
}

// next counts an item on a level and returns its label, "" where it has none. start, if not empty, is the number given to it.
func (c *odfCounter) next(levels *odfLevels, level int, start string) string {
	l := levels[level]
	if !c.used[level] {
		c.used[level], c.counts[level] = true, l.start-1
	}
	c.counts[level]++
	if n, err := strconv.Atoi(start); err == nil {
		c.counts[level] = n
	}
	for i := level + 1; i <= maxODFLevel; i++ {
		c.used[i] = false
	}
	if l.kind != odfNumber || l.format == "" {
		return ""
	}
	var parts []string
	for i := max(level-l.display+1, 1); i <= level; i++ {
		above := levels[i]
		if above.kind != odfNumber || above.format == "" {
			continue
		}
		n := c.counts[i]
		if !c.used[i] {
			n = above.start
		}
		parts = append(parts, formatNumber(letterFormats[above.format], n))
	}
	return strings.TrimSpace(l.prefix + strings.Join(parts, ".") + l.suffix)
}

// odfList is a list being read.
type odfList struct {
	style   string
	level   int // from 1
	counter *odfCounter
	numbers *textNumbers // of a presentation, which counts the paragraphs of a shape, whichever lists they are in
}

// odfItem is an item of a list being read.
type odfItem struct {
	list     *odfList
	override string // the list style given to it
	start    string // the number given to it
	begun    bool   // it has its label
	length   int    // of the blocks up to its own, 0 while it has none
}

// label returns the label of an item whose first paragraph is of that style, and whether it is shown as an item at all.
func (r *odfReader) label(i *odfItem, style odfStyle) (label string, listed bool) {
	if style.unlisted {
		return "", false
	}
	levels := r.lists[cmp.Or(i.override, i.list.style, style.list)]
	if levels == nil {
		return "", true // a list of no known style has bullets
	}
	level := min(i.list.level, maxODFLevel)
	l := levels[level]
	if i.list.numbers == nil {
		label = i.list.counter.next(levels, level, i.start)
	} else if n, ok := i.list.numbers.next(level, l.bullet()); ok {
		label = l.prefix + formatNumber(letterFormats[l.format], n) + l.suffix
	}
	return label, l.kind != odfNumber || label != ""
}

func (l *odfLevel) bullet() bullet {
	if l.kind != odfNumber || l.format == "" {
		return bullet{kind: charBullet}
	}
	return bullet{numberBullet, l.prefix + l.format + l.suffix, l.start}
}

// list reads a list, which may stand in an item of another. A list goes on with the numbers of an earlier one where it says so.
func (r *odfReader) list(x *xmlReader, e xml.StartElement, within *odfItem, out *[]Block) error {
	l := &odfList{style: attrOf(e, "style-name"), level: 1, numbers: r.numbers}
	if within != nil {
		l.level = within.list.level + 1
		if l.style == "" || l.style == within.list.style {
			l.style, l.counter = within.list.style, within.list.counter
		}
	}
	earlier := r.counters["style "+l.style]
	if id := attrOf(e, "continue-list"); id != "" {
		earlier = r.counters["id "+id]
	}
	switch {
	case l.counter != nil:
	case earlier != nil && (attrOf(e, "continue-numbering") == "true" || attrOf(e, "continue-list") != ""):
		l.counter = earlier
	default:
		l.counter = &odfCounter{}
	}
	r.counters["style "+l.style] = l.counter
	if id := attrOf(e, "id"); id != "" {
		r.counters["id "+id] = l.counter
	}
	return x.eachWith(nil, func(e xml.StartElement) error {
		if e.Name.Local != "list-item" && e.Name.Local != "list-header" {
			return x.skip()
		}
		item := &odfItem{list: l, override: attrOf(e, "style-override"), start: attrOf(e, "start-value"), begun: e.Name.Local == "list-header"}
		return x.each(func(e xml.StartElement) error { return r.element(x, e, item, out) })
	})
}
