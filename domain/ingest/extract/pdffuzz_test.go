package extract

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// FuzzPDFLayout lays out pages of any characters anywhere, with rules between them: every letter is in some block, and every
// box on its page.
func FuzzPDFLayout(f *testing.F) {
	row := func(y uint8, words ...string) (out []byte) {
		for i, w := range words {
			for k, c := range []byte(w) {
				out = append(out, c, 0, uint8(10+i*60+k*6), y, 5, 8)
			}
			out = append(out, ' ', 0, 0, y, 0, 0)
		}
		return append(out, '\n', 0, 0, 0, 0, 0)
	}
	f.Add(slices.Concat(row(200, "one", "two", "three"), row(188, "1", "22", "333"), row(176, "4", "5", "6")), []byte{0, 20, 10, 250, 1, 30, 10, 250})
	f.Add(slices.Concat(row(200, "some", "words"), row(190, "and", "more"), []byte{0xd0, 5, 50, 60, 5, 5, 0xd9, 5, 60, 60, 5, 5}), []byte{})
	f.Add(slices.Repeat(row(120, "a", "b"), 30), []byte{0, 20, 10, 250, 0, 40, 10, 250, 0, 60, 10, 250})
	f.Fuzz(func(t *testing.T, glyphs, lines []byte) {
		ruled, n := layoutPage(glyphs, lines)
		bare, m := layoutPage(glyphs, nil)
		checkLayout(t, layOut([]pdfPage{ruled, bare}, nil), n+m)
	})
}

// layoutPage makes a page of characters of six bytes each and of rules of four, and returns how many letters it has.
func layoutPage(glyphs, lines []byte) (pdfPage, int) {
	var chars []pdfChar
	for g := range slices.Chunk(glyphs, 6) {
		if len(g) < 6 {
			break
		}
		x, y := float64(g[2])*2, float64(g[3])*3
		chars = append(chars, pdfChar{r: rune(binary.LittleEndian.Uint16([]byte{g[0], g[1] & 0x3f})), turn: g[1] >> 6,
			box: pdfBox{x, x + float64(g[4]), y, y + float64(g[5])}})
	}
	var rules []pdfRule
	for r := range slices.Chunk(lines, 4) {
		if len(r) == 4 {
			rules = append(rules, pdfRule{down: r[0]&1 > 0, at: float64(r[1]) * 3, from: float64(min(r[2], r[3])) * 2, to: float64(max(r[2], r[3])) * 2})
		}
	}
	p := pdfPage{frame: pdfFrame{box: pdfBox{0, 600, 0, 800}}}
	markVertical(chars)
	p.frame.turn = mainTurn(chars)
	rules = turnRules(rules, p.frame.turn)
	p.lines = splitLines(chars, nil, rules, p.frame.turn)
	letters := p.letters()
	grids, frames := gridsOf(rules)
	p.lines, p.frames = takeTables(p.lines, grids), frames
	return p, letters
}

func checkLayout(t *testing.T, blocks []Block, letters int) {
	t.Helper()
	for _, b := range blocks {
		n := 0
		for _, box := range b.Boxes {
			if n += box.Runes; !(box.X0 >= 0 && box.X0 <= box.X1 && box.X1 <= 1 && box.Y0 >= 0 && box.Y0 <= box.Y1 && box.Y1 <= 1) {
				t.Fatalf("box %+v", box)
			}
		}
		if b.Kind == Table && len(b.Boxes) != len(b.Rows)+1 {
			t.Fatalf("%d boxes of a table of %d rows", len(b.Boxes), len(b.Rows))
		}
		if b.Kind != Table && n != len([]rune(b.Text)) {
			t.Fatalf("boxes of %d code points, text of %d: %q", n, len([]rune(b.Text)), b.Text)
		}
	}
	found := pdfPage{}
	for _, b := range blocks {
		found.lines = append(found.lines, pdfLine{text: b.Text})
		for _, row := range append(b.Rows, b.Header) {
			for _, cell := range row {
				found.lines = append(found.lines, pdfLine{text: cell})
			}
		}
	}
	if n := found.letters(); n < letters {
		t.Fatalf("%d letters of %d", n, letters)
	}
}

// A page of a hundred thousand characters anywhere is laid out in seconds, not hours.
func TestPDFLayoutEffort(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for _, tt := range []struct {
		name          string
		glyphs, lines []byte
	}{
		{"anywhere", random(6 * 100_000), random(4 * 3000)},
		{"in a grid", gridOfGlyphs(100_000), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			p, letters := layoutPage(tt.glyphs, tt.lines)
			checkLayout(t, layOut([]pdfPage{p}, nil), letters)
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// gridOfGlyphs sets single letters in rows and columns.
func gridOfGlyphs(n int) []byte {
	var out []byte
	for i := range n {
		out = append(out, 'a'+byte(i%26), 0, byte(i%16*16), byte(250-i/16%240), 5, 3)
	}
	return out
}
