package extract

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// unzip lists what Unzip finds: names with contents or reasons.
func unzip(t testing.TB, content string) (found []string, err error) {
	t.Helper()
	err = Unzip(strings.NewReader(content), int64(len(content)), func(e Entry) error {
		if e.Err != nil {
			found = append(found, e.Name+": "+string(e.Err.Reason)+" "+e.Err.What)
		} else {
			found = append(found, e.Name+": "+string(e.Content))
		}
		if len(e.Content) > maxFile || e.Err != nil && e.Content != nil {
			t.Errorf("%s: %d bytes, %v", e.Name, len(e.Content), e.Err)
		}
		return nil
	})
	var e *Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("got %v, want an *Error", err)
	}
	return found, err
}

// zipOfHeaders makes an archive of headers, each with the content "x".
func zipOfHeaders(t testing.TB, headers ...zip.FileHeader) string {
	t.Helper()
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, h := range headers {
		w, err := zw.CreateHeader(&h)
		if err == nil {
			_, err = w.Write([]byte("x"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String()
}

func TestUnzip(t *testing.T) {
	damaged := zipOf(t, "a.txt", "whole", "b.txt", strings.Repeat("lost ", 50))
	at := strings.Index(damaged, "b.txt") + len("b.txt") + 2
	damaged = damaged[:at] + "\xff\xff" + damaged[at+2:]
	word := docxOf(t, "<w:p/>")
	locked := zipOf(t, "a.txt", "x")
	locked = strings.ReplaceAll(locked, "PK\x01\x02\x14\x00\x14\x00\x08\x00", "PK\x01\x02\x14\x00\x14\x00\x09\x00")
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"in their order", zipOf(t, "b.txt", "2", "c/a.txt", "1"), []string{"b.txt: 2", "c/a.txt: 1"}},
		{"litter", zipOf(t, "a.txt", "x", "d/", "", "__MACOSX/._a.txt", "x", "d/._b", "x", "d/.DS_Store", "x", "Thumbs.db", "x", "d/Desktop.ini", "x"), []string{"a.txt: x"}},
		{"archives within, which office files are not", zipOf(t, "a.zip", zipOf(t, "b", "c"), "a.docx", word), []string{"a.zip: unsupported an archive within an archive", "a.docx: " + word}},
		{"damaged", damaged, []string{"a.txt: whole", "b.txt: corrupt "}},
		{"locked", locked, []string{"a.txt: encrypted "}},
		{"too large", zipOf(t, "a.txt", strings.Repeat("x", maxFile+1), "b.txt", "x"), []string{"a.txt: too_large ", "b.txt: x"}},
		{"names that climb", zipOf(t, "../../etc/passwd", "1", `c:\a\b.txt`, "2", "/abs", "3", "a/./b/../c", "4"), []string{"etc/passwd: 1", "c:/a/b.txt: 2", "abs: 3", "a/c: 4"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := unzip(t, tt.in)
			if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
				t.Errorf("%v, %s", err, diff)
			}
		})
	}
	stop := errors.New("stop")
	in := zipOf(t, "a", "x", "b", "x")
	calls := 0
	if err := Unzip(strings.NewReader(in), int64(len(in)), func(Entry) error { calls++; return stop }); !errors.Is(err, stop) || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
}

func TestUnzipNames(t *testing.T) {
	dos, _ := charmap.CodePage437.NewEncoder().String("Gebühr für Räder.txt")
	sjis, _ := japanese.ShiftJIS.NewEncoder().String("自転車の料金.txt")
	extra := binary.LittleEndian.AppendUint16(nil, 0x7075)
	extra = binary.LittleEndian.AppendUint16(extra, uint16(5+len("žluť.txt")))
	extra = binary.LittleEndian.AppendUint32(append(extra, 1), crc32.ChecksumIEEE([]byte("\xa7lu\x9c.txt")))
	in := zipOfHeaders(t,
		zip.FileHeader{Name: "Größe.txt"},
		zip.FileHeader{Name: dos, NonUTF8: true},
		zip.FileHeader{Name: sjis, NonUTF8: true},
		zip.FileHeader{Name: "u\u0308ber.txt", NonUTF8: true},
		zip.FileHeader{Name: "\xa7lu\x9c.txt", NonUTF8: true, Extra: append(extra, "žluť.txt"...)},
		zip.FileHeader{Name: "line\nend\u202e.txt"},
	)
	got, err := unzip(t, in)
	want := []string{"Größe.txt: x", "Gebühr für Räder.txt: x", "自転車の料金.txt: x", "über.txt: x", "žluť.txt: x", "line end.txt: x"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
}

func TestUnzipRefused(t *testing.T) {
	var many []string
	for i := range MaxFiles + 1 {
		many = append(many, fmt.Sprint(i), "x")
	}
	var huge bytes.Buffer
	zw := zip.NewWriter(&huge)
	for range 12 {
		if _, err := zw.CreateRaw(&zip.FileHeader{Name: "a", UncompressedSize64: 24 << 20}); err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	var names []string
	for i := range 20_000 {
		names = append(names, fmt.Sprintf("%080d/", i), "")
	}
	for _, tt := range []struct {
		name, in string
		want     Reason
		says     string
	}{
		{"too many files", zipOf(t, many...), ReasonTooManyFiles, "more than 1,000 files"},
		{"too much", huge.String(), ReasonTooLarge, "Split it"},
		{"long directory", zipOf(t, names...), ReasonTooLarge, "Split it"},
		{"nothing but folders", zipOf(t, "a/", ""), ReasonEmpty, "nothing to read"},
		{"cut off", zipOf(t, "a", "x")[:30], ReasonCorrupt, "damaged"},
		{"overlapping", overlapping(t, 200), ReasonCorrupt, "damaged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var e *Error
			got, err := unzip(t, tt.in)
			if !errors.As(err, &e) || e.Reason != tt.want || !strings.Contains(e.Message(), tt.says) {
				t.Errorf("got %v after %d files", err, len(got))
			}
		})
	}
}

// overlapping makes an archive whose directory names the same megabyte many times.
func overlapping(t *testing.T, n int) string {
	t.Helper()
	var packed bytes.Buffer
	fw, _ := flate.NewWriter(&packed, 9)
	if _, err := fw.Write(make([]byte, 1<<20)); err != nil || fw.Close() != nil {
		t.Fatal(err)
	}
	one := zipOfHeaders(t, zip.FileHeader{Name: "a"})
	local := one[:30+1]
	sum := crc32.ChecksumIEEE(make([]byte, 1<<20))
	var b bytes.Buffer
	b.WriteString(local)
	b.Write(packed.Bytes())
	start := b.Len()
	for range n {
		h := make([]byte, 46)
		copy(h, "PK\x01\x02\x14\x00\x14\x00\x00\x00\x08\x00")
		binary.LittleEndian.PutUint32(h[16:], sum)
		binary.LittleEndian.PutUint32(h[20:], uint32(packed.Len()))
		binary.LittleEndian.PutUint32(h[24:], 1<<20)
		binary.LittleEndian.PutUint16(h[28:], 1)
		b.Write(append(h, 'a'))
	}
	size := b.Len() - start
	end := make([]byte, 22)
	copy(end, "PK\x05\x06")
	binary.LittleEndian.PutUint16(end[8:], uint16(n))
	binary.LittleEndian.PutUint16(end[10:], uint16(n))
	binary.LittleEndian.PutUint32(end[12:], uint32(size))
	binary.LittleEndian.PutUint32(end[16:], uint32(start))
	b.Write(end)
	return b.String()
}

// A file that is longer than it says must not be unpacked, nor one that says it is short but fills memory.
func TestUnzipLies(t *testing.T) {
	in := zipOf(t, "a", strings.Repeat("x", 60<<20))
	at := strings.LastIndex(in, "PK\x01\x02") + 24
	in = in[:at] + "\x05\x00\x00\x00" + in[at+4:]
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := unzip(t, in)
	runtime.ReadMemStats(&after)
	if diff := cmp.Diff([]string{"a: corrupt "}, got); diff != "" || err != nil {
		t.Errorf("%v, %s", err, diff)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("%d bytes used", used)
	}
}

func FuzzUnzip(f *testing.F) {
	f.Add([]byte(zipOf(f, "a.txt", "x", "b/", "", "c.zip", zipOf(f, "d", "e"))))
	f.Add([]byte(zipOfHeaders(f, zip.FileHeader{Name: "\xff\x81", NonUTF8: true, Extra: []byte("up\x06\x00\x01abcdx")})))
	f.Fuzz(func(t *testing.T, data []byte) {
		total := 0
		err := Unzip(bytes.NewReader(data), int64(len(data)), func(e Entry) error {
			total += len(e.Content)
			if total > maxFiles || len(e.Content) > maxFile || strings.HasPrefix(e.Name, "/") {
				t.Errorf("%q: %d bytes", e.Name, total)
			}
			return nil
		})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("got %v", err)
		}
	})
}
