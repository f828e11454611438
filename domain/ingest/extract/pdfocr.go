package extract

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"image"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// MaxRecognized is on how many pages of one file text is recognised at most.
const MaxRecognized = 300

// Resolution of the pictures that Recognize gets, in dots per inch; those of very large pages have less.
const Resolution = 300

// recognizers is how many pages of one file are recognised at the same time.
const recognizers = 2

// recognition is what became of a page that is a picture; "" where nothing was tried.
type recognition string

const (
	recognized        recognition = "recognized"
	recognizedNothing recognition = "nothing"
	leftOut           recognition = "left out"
)

// pageScan is a page on its way through recognition.
type pageScan struct {
	index int
	scale float64 // pixels for a point
	size  image.Point
	pgm   []byte
	hocr  []byte
	err   error
}

// recognize reads the text in pages that are pictures.
func (j *pdfJob) recognize(ctx context.Context, r *pdfReader) error {
	slices.Sort(j.pictures)
	most := min(len(j.pictures), MaxRecognized)
	for _, i := range j.pictures[most:] {
		j.pages[i].recognition = leftOut
	}
	j.pictures = j.pictures[:most]
	if len(j.pictures) == 0 {
		return nil
	}
	done := len(j.pages) - len(j.pictures)
	j.Recognizing(len(j.pictures))
	ctx, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer stop()
	scans, read := make(chan *pageScan), make(chan *pageScan)
	workers.Go(func() { j.scan(ctx, r, scans) })
	for range recognizers {
		workers.Go(func() {
			for s := range scans {
				if s.err == nil {
					s.hocr, s.err = j.Recognize(ctx, s.pgm)
				}
				s.pgm = nil
				select {
				case read <- s:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	for range j.pictures {
		select {
		case s := <-read:
			j.take(s)
			done++
			j.Progress(done, len(j.pages))
		case <-ctx.Done():
			return &Error{Reason: ReasonTimeout, Page: done + 1, Detail: ctx.Err().Error()}
		}
	}
	return nil
}

// scan draws the pages to be recognised.
func (j *pdfJob) scan(ctx context.Context, r *pdfReader, scans chan<- *pageScan) {
	defer close(scans)
	for _, i := range j.pictures {
		s := &pageScan{index: i}
		if s.err = r.err; s.err == nil || j.restart(r, i) == nil {
			s.err = s.draw(r)
		}
		select {
		case scans <- s:
		case <-ctx.Done():
			return
		}
	}
}

func (s *pageScan) draw(r *pdfReader) error {
	drawn, err := r.render(s.index, bitmapGray, func(float64) float64 { return Resolution / 72.0 })
	if err != nil {
		return err
	}
	s.size, s.scale = drawn.size, drawn.scale
	s.pgm = fmt.Appendf(nil, "P5\n%d %d\n255\n", s.size.X, s.size.Y)
	for y := range s.size.Y {
		s.pgm = append(s.pgm, drawn.pixels[y*drawn.stride:y*drawn.stride+s.size.X]...)
	}
	return nil
}

// take puts what was recognised in the place of what text the page has, if it is much more.
func (j *pdfJob) take(s *pageScan) {
	page := &j.pages[s.index]
	page.recognition = recognizedNothing
	if s.err != nil {
		return
	}
	lines, separators := parseHOCR(bytes.NewReader(s.hocr))
	rules := s.rules(separators)
	found := pdfPage{lines: s.lines(lines, rules)}
	if found.letters() <= 2*page.letters() {
		if len(page.lines) > 0 {
			page.recognition = ""
		}
		return
	}
	grids, frames := gridsOf(rules)
	page.lines, page.frames, page.recognition = takeTables(found.lines, grids), frames, recognized
	page.frame = pdfFrame{box: pdfBox{0, float64(s.size.X) / s.scale, 0, float64(s.size.Y) / s.scale}}
}

// hocrLine is a line of recognised text, hocrWord a word of it; boxes are in pixels from the top left.
type hocrLine struct {
	words       []hocrWord
	box         image.Rectangle
	size        float64 // of the type
	base        float64 // how far the baseline is above the lower edge at the left
	rightToLeft bool
}

type hocrWord struct {
	text       string
	box        image.Rectangle
	confidence float64
}

// Words of less confidence are noise: dirt, lines and pictures taken for letters.
const leastConfidence = 35

// fullSize is the size of the type that the tallest and the deepest letters leave room around.
const fullSize = 1.1

// maxHOCRLines bounds what is taken of one page.
const maxHOCRLines = 2000

// parseHOCR reads the lines of text of a page in hOCR (http://kba.github.io/hocr-spec/1.2/), and what lines were drawn between
// them, up to where it ends or is none.
func parseHOCR(r io.Reader) (lines []hocrLine, separators []image.Rectangle) {
	dec := xml.NewDecoder(r)
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	rightToLeft := false
	var word *hocrWord
	depth := 0 // within the word
	for len(lines)+len(separators) < maxHOCRLines {
		token, err := dec.Token()
		if err != nil {
			break
		}
		switch t := token.(type) {
		case xml.StartElement:
			title := properties(attrOf(t, "title"))
			switch class := attrOf(t, "class"); {
			case class == "ocr_par":
				rightToLeft = attrOf(t, "dir") == "rtl"
			case class == "ocrx_word" && len(lines) > 0:
				last := &lines[len(lines)-1]
				last.words = append(last.words, hocrWord{box: title.box(), confidence: title.number("x_wconf", 0)})
				word, depth = &last.words[len(last.words)-1], 0
			case class == "ocr_separator":
				word, separators = nil, append(separators, title.box())
			case title["bbox"] != nil && strings.HasPrefix(class, "ocr_") && class != "ocr_page" && class != "ocr_carea":
				word = nil
				lines = append(lines, hocrLine{box: title.box(), size: title.number("x_size", 0), base: -title.number("baseline", 1), rightToLeft: rightToLeft})
			default:
				depth++
			}
		case xml.CharData:
			if word != nil {
				word.text += string(t)
			}
		case xml.EndElement:
			if depth--; depth < 0 {
				word = nil
			}
		}
	}
	return lines, separators
}

// hocrProperties are the properties of an element, as in "bbox 0 0 10 10; x_wconf 90".
type hocrProperties map[string][]float64

func properties(title string) hocrProperties {
	out := hocrProperties{}
	for p := range strings.SplitSeq(title, ";") {
		fields := strings.Fields(p)
		if len(fields) < 2 {
			continue
		}
		values := []float64{}
		for _, f := range fields[1:] {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil || !(math.Abs(v) < 1e6) {
				v = 0
			}
			values = append(values, v)
		}
		out[fields[0]] = values
	}
	return out
}

func (p hocrProperties) number(name string, i int) float64 {
	if v := p[name]; i < len(v) {
		return v[i]
	}
	return 0
}

func (p hocrProperties) box() image.Rectangle {
	return image.Rect(int(p.number("bbox", 0)), int(p.number("bbox", 1)), int(p.number("bbox", 2)), int(p.number("bbox", 3)))
}

// rules turns what separates text into the rules of a page.
func (s *pageScan) rules(separators []image.Rectangle) []pdfRule {
	x, y := s.points()
	var out []pdfRule
	for _, b := range separators {
		switch {
		case b.Dx() > 4*b.Dy() && x(b.Dx()) > ruleLength:
			out = append(out, pdfRule{at: (y(b.Min.Y) + y(b.Max.Y)) / 2, from: x(b.Min.X), to: x(b.Max.X)})
		case b.Dy() > 4*b.Dx() && x(b.Dy()) > ruleLength:
			out = append(out, pdfRule{down: true, at: x(b.Min.X+b.Max.X) / 2, from: y(b.Max.Y), to: y(b.Min.Y)})
		}
	}
	return joinRules(out)
}

// points returns the maps from pixels to places on the page.
func (s *pageScan) points() (x, y func(px int) float64) {
	return func(px int) float64 { return float64(px) / s.scale }, func(px int) float64 { return float64(s.size.Y-px) / s.scale }
}

// lines turns recognised lines into those of a page, cut where wide gaps and rules are.
func (s *pageScan) lines(found []hocrLine, rules []pdfRule) []pdfLine {
	x, y := s.points()
	down := downRules(rules)
	var out []pdfLine
	for _, h := range found {
		h.words = slices.DeleteFunc(slices.Clone(h.words), func(w hocrWord) bool { return strings.Trim(w.text, "|¦ \n") == "" })
		for start := 0; start < len(h.words); {
			end := start + 1
			for end < len(h.words) && h.gap(end) < wideGap*h.size {
				a, b := h.words[end-1].box, h.words[end].box
				if parted(down, x(a.Max.X), x(b.Min.X), y((b.Min.Y+b.Max.Y)/2)) {
					break
				}
				end++
			}
			words := slices.DeleteFunc(slices.Clone(h.words[start:end]), func(w hocrWord) bool {
				return w.confidence < leastConfidence || strings.TrimSpace(w.text) == "" || w.box.Empty()
			})
			if l := s.line(&h, words); l.text != "" {
				out = append(out, l)
			}
			start = end
		}
	}
	evenSizes(out)
	return out
}

// gap returns how far a word is from the one before it.
func (h *hocrLine) gap(i int) float64 {
	a, b := h.words[i-1].box, h.words[i].box
	return float64(max(b.Min.X-a.Max.X, a.Min.X-b.Max.X))
}

func (s *pageScan) line(h *hocrLine, words []hocrWord) pdfLine {
	x, y := s.points()
	l := pdfLine{size: max(h.size/s.scale*fullSize, 4), rightToLeft: h.rightToLeft, base: y(h.box.Max.Y) + h.base/s.scale}
	l.x0, l.x1, l.bottom, l.top = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	var text []byte
	for _, w := range words {
		word := cleanText(w.text)
		if word == "" {
			continue
		}
		before, _ := utf8.DecodeLastRune(text)
		if after, _ := utf8.DecodeRuneInString(word); len(text) > 0 && !(isWide(before) && isWide(after)) {
			text = append(text, ' ')
		}
		text = append(text, word...)
		l.words = append(l.words, pdfWord{word, x(w.box.Min.X), x(w.box.Max.X)})
		l.x0, l.x1 = min(l.x0, x(w.box.Min.X)), max(l.x1, x(w.box.Max.X))
		l.bottom, l.top = min(l.bottom, y(w.box.Max.Y)), max(l.top, y(w.box.Min.Y))
	}
	l.text = string(text)
	if cut, hyphen := strings.CutSuffix(l.text, "-"); hyphen && len(l.words) > 1 {
		last := &l.words[len(l.words)-1]
		l.text, last.text, l.broken = cut, strings.TrimSuffix(last.text, "-"), true
	}
	if l.rightToLeft || strings.Count(l.text, " ")+1 != len(l.words) {
		l.words = nil // they are no words of the text from left to right
	}
	return l
}

// evenSizes gives lines whose type is about as large as most is that size: it is measured by what letters a line happens to have.
func evenSizes(lines []pdfLine) {
	if len(lines) == 0 {
		return
	}
	body := medianSize(lines)
	for i := range lines {
		if ratio := lines[i].size / body; ratio > 0.75 && ratio < 1.3 {
			lines[i].size = body
		}
	}
}
