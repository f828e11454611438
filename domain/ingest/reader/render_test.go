package reader

import (
	"bytes"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bitb/domain/ingest/chunk"
	"bitb/domain/ingest/extract"
)

// What is drawn on a page is where its lines say that they are.
func TestRenderPage(t *testing.T) {
	pdf, err := os.ReadFile(handbook)
	if err != nil {
		t.Fatal(err)
	}
	read, err := new(Child).Read(t.Context(), bytes.NewReader(pdf), "a.pdf", chunk.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range []int{1, 7} { // that one has two columns
		picture, mediaType, err := new(Child).RenderPage(t.Context(), bytes.NewReader(pdf), page, 1100)
		if err != nil || mediaType != "image/png" {
			t.Fatal(mediaType, err)
		}
		img, err := png.Decode(bytes.NewReader(picture))
		if err != nil || img.Bounds().Dx() != 1100 {
			t.Fatal(img.Bounds(), err)
		}
		var boxes []image.Rectangle
		for _, l := range read.Lines {
			if l.Page != page {
				continue
			}
			box := image.Rect(l.X0*1100/10000, l.Y0*img.Bounds().Dy()/10000, l.X1*1100/10000+1, l.Y1*img.Bounds().Dy()/10000+1)
			boxes = append(boxes, box.Inset(-2))
			if ink(img, box, nil) == 0 {
				t.Errorf("page %d: nothing is drawn at %+v", page, l)
			}
		}
		all, outside := ink(img, img.Bounds(), nil), ink(img, img.Bounds(), boxes)
		if len(boxes) < 5 || outside*10 > all {
			t.Errorf("page %d: %d of %d dark pixels are in none of %d lines", page, outside, all, len(boxes))
		}
	}
}

// ink counts the dark pixels of a part of a picture that are in none of some boxes.
func ink(img image.Image, part image.Rectangle, boxes []image.Rectangle) int {
	n := 0
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			if r, _, _, _ := img.At(x, y).RGBA(); r < 0x6000 && !slices.ContainsFunc(boxes, image.Pt(x, y).In) {
				n++
			}
		}
	}
	return n
}

func TestRenderRefuses(t *testing.T) {
	tests := []struct {
		name, file string
		page       int
		want       extract.Reason
	}{
		{"page behind the last", handbook, 999, extract.ReasonNoPage},
		{"password", "../extract/testdata/encrypted.pdf", 1, extract.ReasonEncrypted},
		{"no PDF", "../extract/testdata/warranty.docx", 1, extract.ReasonUnsupported},
		{"cut off", "../extract/testdata/truncated.pdf", 1, extract.ReasonCorrupt},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(tt.file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			picture, _, err := new(Child).RenderPage(t.Context(), f, tt.page, 1100)
			if e, ok := errors.AsType[*extract.Error](err); !ok || e.Reason != tt.want || picture != nil {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func TestRenderHostile(t *testing.T) {
	files, _ := filepath.Glob(hostile + "*.pdf")
	if len(files) == 0 {
		t.Skip("the corpus is not on this machine")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			began := time.Now()
			picture, mediaType, err := new(Child).RenderPage(t.Context(), f, 1, 2000)
			t.Logf("%v, %d bytes, %s, %v", time.Since(began).Round(10*time.Millisecond), len(picture), mediaType, err)
			if _, ok := errors.AsType[*extract.Error](err); err != nil && !ok || err == nil && len(picture) == 0 || time.Since(began) > 30*time.Second {
				t.Errorf("got %d bytes, %v", len(picture), err)
			}
		})
	}
}

// The time that a document gets grows with what its reader says, and not without bound.
func TestAllowance(t *testing.T) {
	tests := []struct {
		name   string
		frames []frame
		want   time.Duration
	}{
		{"pages", []frame{{Progress: &[2]int{0, 10}}, {Progress: &[2]int{1, 10}}, {Progress: &[2]int{2, 1000}}}, 5 * time.Second},
		{"pages without end", []frame{{Progress: &[2]int{0, 1 << 40}}}, extract.MaxPages * EachPage},
		{"negative", []frame{{Progress: &[2]int{0, -5}}, {Recognizing: -5, End: true}}, 0},
		{"recognised pages", []frame{{Recognizing: 3}, {Recognizing: 300}}, time.Minute},
		{"recognised pages without end", []frame{{Recognizing: 1 << 40}}, extract.MaxRecognized * RecognizedPage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &process{child: new(Child)}
			p.clock.start(time.Hour, func() {})
			defer p.clock.stop()
			before := p.clock.until
			for _, f := range tt.frames {
				if err := p.note(f); err != nil {
					t.Fatal(err)
				}
			}
			if got := p.clock.until.Sub(before); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRecognition(t *testing.T) {
	tests := []struct{ listed, want string }{
		{"List of available languages in \"/usr/share/\" (3):\ndeu\neng\nosd\n", "stdin stdout -l eng+deu --psm 1 --dpi 300 hocr"},
		{"List of available languages (2):\nfra\nequ\n", "stdin stdout -l fra --psm 3 --dpi 300 hocr"},
		{"List (9):\na\nb\nc\nd\ne\neng\nf\ng\nscript/Latin\n", "stdin stdout -l eng+a+b+c+d+e --psm 3 --dpi 300 hocr"},
	}
	for _, tt := range tests {
		if got := strings.Join(recognition(tt.listed), " "); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
