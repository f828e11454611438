package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"bitb/handlers"
)

func zipped(t *testing.T, add func(z *zip.Writer)) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	add(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func put(z *zip.Writer, name string, size int) {
	w, _ := z.Create(name)
	_, _ = io.CopyN(w, zeros{}, int64(size))
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// found unpacks and returns a line for each file: its name, with its size or what it is instead.
func found(content []byte) (lines []string, err error) {
	err = unzip(content, func(name string, content []byte, err error) error {
		line := fmt.Sprint(name, " ", len(content))
		if r, ok := errors.AsType[*handlers.Refusal](err); ok {
			line = name + " " + r.Is
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

func TestUnzip(t *testing.T) {
	content := zipped(t, func(z *zip.Writer) {
		put(z, "manuals/", 0)
		put(z, "manuals/a.txt", 3)
		put(z, "__MACOSX/manuals/._a.txt", 9)
		put(z, "manuals/.DS_Store", 9)
		put(z, `photos\Thumbs.db`, 9)
		put(z, "large.txt", 25<<20+1)
		locked, _ := z.CreateRaw(&zip.FileHeader{Name: "locked.txt", Flags: 1, Method: zip.Store, CompressedSize64: 2, UncompressedSize64: 2})
		_, _ = locked.Write([]byte("xx"))
		broken, _ := z.CreateRaw(&zip.FileHeader{Name: "broken.txt", Method: zip.Deflate, CompressedSize64: 2, UncompressedSize64: 2})
		_, _ = broken.Write([]byte("\xff\xff"))
		liar, _ := z.CreateRaw(&zip.FileHeader{Name: "liar.txt", Method: zip.Store, CompressedSize64: 4, UncompressedSize64: 2, CRC32: 1})
		_, _ = liar.Write([]byte("abcd"))
		put(z, "b.txt", 4)
	})
	got, err := found(content)
	want := []string{"manuals/a.txt 3", "large.txt too much to read at once", "locked.txt protected with a password",
		"broken.txt damaged or incomplete", "liar.txt damaged or incomplete", "b.txt 4"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v\nwant %q", got, err, want)
	}
	stop := errors.New("stop")
	if err := unzip(content, func(string, []byte, error) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("goes on after %v", err)
	}
}
