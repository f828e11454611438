package extract

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
)

// Limits on an archive of several files.
const (
	MaxFiles  = 1000      // files in it
	maxFile   = 25 << 20  // bytes of one of them
	maxFiles  = 256 << 20 // bytes of all together
	maxZipDir = 2 << 20   // bytes that its directory may have
)

// Entry is a file in an archive: its content, or why it cannot be read.
type Entry struct {
	Name    string // with its folders, parted by slashes; for showing, never a path to write to
	Content []byte
	Err     *Error
}

// Unzip calls each with every file of an archive, one after the other, and stops at the first error it returns. Folders and what
// systems leave in archives are passed over. A file that cannot be read is handed over with its Err; for an archive that is
// damaged as a whole, or too large, Unzip returns an *Error. It keeps one file in memory, so a server can call it.
func Unzip(ra io.ReaderAt, size int64, each func(Entry) error) error {
	zr, err := openZip(ra, size)
	if err != nil {
		return err
	}
	var files []*zip.File
	var packed, unpacked uint64 // no sum of a directory's numbers can overflow: there are too few
	for _, f := range zr.File {
		if f.FileInfo().IsDir() || isLitter(entryName(f)) {
			continue
		}
		files = append(files, f)
		packed += min(f.CompressedSize64, math.MaxUint32)
		if f.UncompressedSize64 <= maxFile {
			unpacked += f.UncompressedSize64
		}
	}
	switch {
	case len(files) == 0:
		return &Error{Reason: ReasonEmpty, Detail: "no files in the archive"}
	case len(files) > MaxFiles:
		return &Error{Reason: ReasonTooManyFiles, Detail: fmt.Sprintf("%d files", len(files))}
	case packed > uint64(size): // files that share their bytes are made to be a bomb
		return &Error{Reason: ReasonCorrupt, Detail: "files in the archive overlap"}
	case unpacked > maxFiles:
		return &Error{Reason: ReasonTooLarge, Detail: "the files of the archive unpack to more than the limit"}
	}
	for _, f := range files {
		content, failure := unpack(f)
		if err := each(Entry{Name: entryName(f), Content: content, Err: failure}); err != nil {
			return err
		}
	}
	return nil
}

// openZip reads the directory of an archive, which is bounded: 25 MB can name half a million empty parts.
func openZip(ra io.ReaderAt, size int64) (*zip.Reader, error) {
	meter := &meteredReaderAt{ra: ra, left: maxZipDir}
	zr, err := zip.NewReader(meter, size)
	switch {
	case errors.Is(err, errMeter):
		return nil, &Error{Reason: ReasonTooLarge, Detail: "zip directory of more than 2 MB"}
	case err != nil:
		return nil, &Error{Reason: ReasonCorrupt, Detail: "zip: " + err.Error()}
	}
	meter.left = math.MaxInt
	return zr, nil
}

// unpack returns the content of a file. Reading ends with an error where it is longer than the directory says.
func unpack(f *zip.File) ([]byte, *Error) {
	const encrypted = 1
	switch {
	case f.Flags&encrypted != 0:
		return nil, &Error{Reason: ReasonEncrypted, Detail: "encrypted file in the archive"}
	case f.UncompressedSize64 > maxFile:
		return nil, &Error{Reason: ReasonTooLarge, Detail: "file in the archive of more than 25 MB"}
	}
	r, err := f.Open()
	if err != nil {
		return nil, &Error{Reason: ReasonCorrupt, Detail: "zip: " + err.Error()}
	}
	defer r.Close()
	content, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, &Error{Reason: ReasonCorrupt, Detail: "zip: " + err.Error()}
	}
	if isArchive(content) {
		return nil, unsupported("an archive within an archive")
	}
	return content, nil
}

func isArchive(content []byte) bool {
	if !bytes.HasPrefix(content, []byte("PK")) {
		return false
	}
	format, err := Detect(bytes.NewReader(content), int64(len(content)), "")
	return err == nil && format == ZIP
}

// isLitter reports whether a file is one that systems leave in archives and nobody means to upload.
func isLitter(name string) bool {
	if strings.HasPrefix(name, "__MACOSX/") {
		return true
	}
	base := path.Base(name)
	switch strings.ToLower(base) {
	case ".ds_store", "thumbs.db", "desktop.ini":
		return true
	}
	return strings.HasPrefix(base, "._")
}

// entryName returns the name of a file as people know it. Where it is not said to be UTF-8, it may be so all the same; an extra
// field may hold it in UTF-8; or it is in the encoding of a Japanese Windows, or in that of DOS.
func entryName(f *zip.File) string {
	name := f.Name
	if f.NonUTF8 && !utf8.ValidString(name) {
		if better := unicodePath(f); better != "" {
			name = better
		} else if japanese := decodeAs(japanese.ShiftJIS, []byte(name)); isJapanese(japanese) {
			name = japanese
		} else {
			name = decodeAs(charmap.CodePage437, []byte(name))
		}
	}
	name = strings.ReplaceAll(cleanText(strings.ReplaceAll(name, `\`, "/")), "\n", " ")
	return strings.TrimPrefix(path.Clean("/"+name), "/")
}

// isJapanese reports whether text, decoded from Shift JIS, reads like Japanese throughout.
func isJapanese(text string) bool {
	letters, wide := 0, 0
	for _, r := range text {
		switch {
		case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana) && (r < 0xff61 || r > 0xff9f):
			letters++
			wide++
		case r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xff60:
		case r >= 0x80:
			return false
		case unicode.IsLetter(r):
			letters++
		}
	}
	return wide >= 4 && wide*2 >= letters
}

// unicodePath returns the name in the extra field that Info-ZIP writes, if it was made for the name there is.
func unicodePath(f *zip.File) string {
	for extra := f.Extra; len(extra) >= 4; {
		id, size := binary.LittleEndian.Uint16(extra), int(binary.LittleEndian.Uint16(extra[2:]))
		if extra = extra[4:]; size > len(extra) {
			break
		}
		if field := extra[:size]; id == 0x7075 && size > 5 && field[0] == 1 &&
			binary.LittleEndian.Uint32(field[1:]) == crc32.ChecksumIEEE([]byte(f.Name)) && utf8.Valid(field[5:]) {
			return string(field[5:])
		}
		extra = extra[size:]
	}
	return ""
}
