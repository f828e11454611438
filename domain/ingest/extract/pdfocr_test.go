package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hocr makes what tesseract would say of a page of 2550 by 3300 pixels.
func hocr(lines string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html><head><title></title></head><body><div class='ocr_page' title='image "stdin"; bbox 0 0 2550 3300; ppageno 0'><div class='ocr_carea' title="bbox 1 1 2 2"><p class='ocr_par' lang='eng' title="bbox 1 1 2 2">` +
		lines + `</p></div></div></body></html>`
}

func hocrOf(y, size int, words ...string) string {
	out, x := "", 300
	for _, w := range words {
		confidence := 90
		if strings.HasPrefix(w, "~") {
			confidence, w = 10, w[1:]
		}
		out += fmt.Sprintf(`<span class='ocrx_word' title='bbox %d %d %d %d; x_wconf %d'><strong>%s</strong></span> `, x, y-40, x+20*len(w), y, confidence, w)
		x += 20*len(w) + 20
	}
	return fmt.Sprintf(`<span class='ocr_line' title="bbox 300 %d %d %d; baseline 0 -10; x_size %d; x_descenders 9">%s</span>`, y-40, x, y+10, size, out)
}

func TestRecognize(t *testing.T) {
	scan, err := os.ReadFile("testdata/scanned.pdf")
	if err != nil {
		t.Fatal(err)
	}
	page := hocr(hocrOf(300, 80, "Delivery") + hocrOf(600, 50, "Twelve", "city", "bicycles", "were", "de-") + hocrOf(660, 50, "livered", "~#'", "to", "the", "Ferry", "&amp;", "Bus"))
	tests := []struct {
		name      string
		recognize func(n int64) (string, error)
		want      []string
		notes     []string
		reason    Reason
	}{
		{"both pages", func(int64) (string, error) { return page, nil },
			[]string{"heading1: Delivery", "paragraph: Twelve city bicycles were delivered to the Ferry & Bus", "heading1: Delivery", "paragraph: Twelve city bicycles were delivered to the Ferry & Bus"},
			[]string{"Pages 1–2 are pictures; their text was recognised and may have mistakes."}, ""},
		{"sections", func(int64) (string, error) {
			return hocr(hocrOf(300, 50, "3.2", "Lost", "property") + hocrOf(400, 50, "Twelve", "city", "bicycles.")), nil
		}, []string{"heading2: 3.2 Lost property", "paragraph: Twelve city bicycles.", "heading2: 3.2 Lost property", "paragraph: Twelve city bicycles."}, nil, ""},
		{"ruled table", func(int64) (string, error) {
			rows := ""
			for i := range 3 {
				rows += hocrOf(600+i*100, 50, fmt.Sprintf("Twelve city-%d", i), "|", fmt.Sprint(18+i)) + fmt.Sprintf(`<div class='ocr_separator' title="bbox 290 %d 900 %d"></div>`, 540+i*100, 542+i*100)
			}
			return hocr(rows + `<div class='ocr_separator' title="bbox 290 840 900 842"></div><div class='ocr_separator' title="bbox 290 540 293 840"></div>` +
				`<div class='ocr_separator' title="bbox 605 540 608 840"></div><div class='ocr_separator' title="bbox 899 540 902 840"></div>`), nil
		}, []string{"table: Twelve city-0|18 / Twelve city-1|19 / Twelve city-2|20", "table: Twelve city-0|18 / Twelve city-1|19 / Twelve city-2|20"}, nil, ""},
		{"one fails", func(n int64) (string, error) {
			if n == 1 {
				return "", errors.New("no")
			}
			return page, nil
		}, []string{"heading1: Delivery", "paragraph: Twelve city bicycles were delivered to the Ferry & Bus"}, nil, ""},
		{"noise only", func(int64) (string, error) { return hocr(hocrOf(300, 50, "~,,", "~||")), nil }, nil, nil, ReasonNoText},
		{"rubbish", func(int64) (string, error) { return "<<<&&", nil }, nil, nil, ReasonNoText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls atomic.Int64
			told, width, height := 0, 0, 0
			var measure sync.Once
			var progress []int
			o := Options{Progress: func(done, _ int) { progress = append(progress, done) }, Recognizing: func(n int) { told = n },
				Recognize: func(_ context.Context, pgm []byte) ([]byte, error) {
					if !bytes.HasPrefix(pgm, []byte("P5\n")) || len(pgm) < 1<<20 {
						t.Errorf("not a picture: %.20q of %d bytes", pgm, len(pgm))
					}
					measure.Do(func() { _, _ = fmt.Sscanf(string(pgm[:20]), "P5\n%d %d", &width, &height) })
					out, err := tt.recognize(calls.Add(1))
					return []byte(out), err
				}}
			doc, err := o.Extract(t.Context(), scan, "a.pdf")
			if e := (*Error)(nil); tt.reason != "" {
				if !errors.As(err, &e) || e.Reason != tt.reason || !strings.Contains(e.Message(), "could be recognised") {
					t.Errorf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sound(t, doc)
			if diff := cmp.Diff(tt.want, outline(doc)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if diff := cmp.Diff(tt.notes, doc.Notes); tt.notes != nil && diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if told != 2 || fmt.Sprint(progress) != "[0 1 2]" {
				t.Errorf("told %d, progress %v", told, progress)
			}
			if !strings.Contains(tt.want[1], "Ferry") {
				return
			}
			_, box, _ := lineHolding(t, doc, "Twelve city")
			w, h := float32(width), float32(height)
			if want := (Box{300 / w, 560 / h, 880 / w, 600 / h, 0}); !near(box, want) {
				t.Errorf("box %v, want %v", box, want)
			}
		})
	}
}

// More pages than can be waited for are left out, and said to be.
func TestRecognizeLimit(t *testing.T) {
	contents := make([]string, MaxRecognized+2)
	for i := range contents {
		contents[i] = "q 8 0 0 8 0 0 cm /Im Do Q"
	}
	file := pdfPages("", "/Rotate 0", "8 0 obj<</Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8/Length 1>>stream\n0\nendstream endobj\n", contents...)
	file = strings.NewReplacer("/MediaBox[0 0 600 800]", "/MediaBox[0 0 9 9]", "/Resources<<", "/Resources<</XObject<</Im 8 0 R>>").Replace(file)
	var calls atomic.Int64
	doc, err := Options{Recognize: func(context.Context, []byte) ([]byte, error) {
		calls.Add(1)
		return []byte(hocr(hocrOf(20, 20, "word"))), nil
	}}.Extract(t.Context(), []byte(file), "a.pdf")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Pages 1–300 are pictures; their text was recognised and may have mistakes.", "Pages 301–302 are pictures and were left out: text is recognised on 300 pages at most."}
	if diff := cmp.Diff(want, doc.Notes); diff != "" || calls.Load() != MaxRecognized {
		t.Errorf("%d calls, notes %s", calls.Load(), diff)
	}
}

func FuzzHOCR(f *testing.F) {
	f.Add(hocr(hocrOf(300, 80, "Delivery") + hocrOf(600, 50, "de-", "~x", "livered")))
	f.Add(`<span class="ocr_line" title="bbox 9 9 1 1; x_size NaN"><span class="ocrx_word" title="bbox"></span>`)
	f.Fuzz(func(t *testing.T, in string) {
		s := pageScan{scale: 4, size: image.Pt(2550, 3300)}
		lines, separators := parseHOCR(strings.NewReader(in))
		p := pdfPage{lines: s.lines(lines, s.rules(separators)), frame: pdfFrame{box: pdfBox{0, 637.5, 0, 825}}}
		checkLayout(t, layOut([]pdfPage{p}, nil), p.letters())
	})
}

func TestRenderPage(t *testing.T) {
	handbook, err := os.ReadFile("testdata/harbour-handbook.pdf")
	if err != nil {
		t.Fatal(err)
	}
	page := func(width, height int, content string) string {
		return pdfWith(fmt.Sprintf("/MediaBox[0 0 %d %d]", width, height), content)
	}
	const side = 500
	photo := strings.Replace(page(400, 400, "q 400 0 0 400 0 0 cm /Im Do Q"), "/Resources<<", "/Resources<</XObject<</Im 8 0 R>>", 1) +
		fmt.Sprintf("8 0 obj<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8/Length %d>>stream\n%s\nendstream endobj\ntrailer<</Root 1 0 R>>\n",
			side, side, side*side*3, noise(side*side*3))
	tests := []struct {
		name, file string
		n, width   int
		want       image.Point
		mediaType  string
		reason     Reason
	}{
		{"letter paper", string(handbook), 1, 1100, image.Pt(1100, 1556), "image/png", ""},
		{"too narrow", string(handbook), 2, 1, image.Pt(100, 141), "image/png", ""},
		{"too wide", page(600, 300, ""), 1, 99_999, image.Pt(2000, 1000), "image/png", ""},
		{"endless", page(10, 14400, ""), 1, 1000, image.Pt(5, 8000), "image/png", ""},
		{"very wide", page(14400, 10, ""), 1, 1000, image.Pt(1000, 1), "image/png", ""},
		{"tall and large", page(1000, 3500, ""), 1, 2000, image.Pt(1548, 5418), "image/png", ""},
		{"photograph", photo, 1, 1000, image.Pt(1000, 1000), "image/jpeg", ""},
		{"page behind the last", string(handbook), 999, 100, image.Point{}, "", ReasonNoPage},
		{"page before the first", string(handbook), 0, 100, image.Point{}, "", ReasonNoPage},
		{"no PDF", "# Hours", 1, 100, image.Point{}, "", ReasonUnsupported},
		{"damaged", "%PDF-1.7\n", 1, 100, image.Point{}, "", ReasonCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			picture, mediaType, err := RenderPage([]byte(tt.file), tt.n, tt.width)
			if tt.reason != "" {
				var e *Error
				if !errors.As(err, &e) || e.Reason != tt.reason {
					t.Errorf("got %v, want %s", err, tt.reason)
				}
				return
			}
			if err != nil || mediaType != tt.mediaType {
				t.Fatalf("%s, %v", mediaType, err)
			}
			decode := png.Decode
			if mediaType == "image/jpeg" {
				decode = jpeg.Decode
			}
			img, err := decode(bytes.NewReader(picture))
			if err != nil || img.Bounds().Size() != tt.want {
				t.Errorf("%v, %v", img.Bounds(), err)
			}
		})
	}
}

// noise returns bytes without order.
func noise(n int) string {
	b := make([]byte, n)
	v := uint32(1)
	for i := range b {
		v = v*1664525 + 1013904223
		b[i] = byte(v >> 24)
	}
	return string(b)
}
