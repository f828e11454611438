package reader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"

	"bitb/domain/ingest/extract"
)

// tesseract is the command that recognises text, an optional package of Debian, in this process's limits and with little of its
// environment.
type tesseract struct {
	path string
	args func() ([]string, error) // found out when there is something to recognise
}

const (
	maxLanguages = 6
	maxHOCR      = 16 << 20
)

// findTesseract returns nil when it is not installed.
func findTesseract(ctx context.Context) *tesseract {
	path, err := exec.LookPath("tesseract")
	if err != nil {
		return nil
	}
	t := &tesseract{path: path}
	t.args = sync.OnceValues(func() ([]string, error) {
		listed, err := t.run(ctx, nil, "--list-langs")
		return recognition(string(listed)), err
	})
	return t
}

// recognition returns the arguments for recognising what tesseract lists as its languages, below a title: English, which most
// documents have some of, and then the others.
func recognition(listed string) []string {
	_, listed, _ = strings.Cut(strings.TrimSpace(listed), "\n")
	var languages []string
	layout := "3"
	for name := range strings.FieldsSeq(listed) {
		switch {
		case name == "osd": // tells which way up a page is
			layout = "1"
		case name == "eng":
			languages = slices.Insert(languages, 0, name)
		case name != "equ" && !strings.Contains(name, "/"): // "script/Latin" and the like know no words
			languages = append(languages, name)
		}
	}
	languages = languages[:min(len(languages), maxLanguages)]
	return []string{"stdin", "stdout", "-l", strings.Join(languages, "+"), "--psm", layout, "--dpi", strconv.Itoa(extract.Resolution), "hocr"}
}

// recognize is an extract.Options.Recognize.
func (t *tesseract) recognize(ctx context.Context, pgm []byte) ([]byte, error) {
	args, err := t.args()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, RecognizedPage)
	defer cancel()
	return t.run(ctx, pgm, args...)
}

func (t *tesseract) run(ctx context.Context, input []byte, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Env = append(environment("PATH", "TESSDATA_PREFIX"), "OMP_THREAD_LIMIT=1")
	cmd.Stdin = bytes.NewReader(input)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	unlock := dieTogether(cmd)
	defer unlock()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	out, readErr := io.ReadAll(io.LimitReader(stdout, maxHOCR+1))
	if len(out) > maxHOCR {
		_ = cmd.Process.Kill()
		readErr = errors.New("more text than a page can have")
	}
	if err := errors.Join(readErr, cmd.Wait()); err != nil {
		return nil, fmt.Errorf("tesseract: %w", err)
	}
	return out, nil
}
