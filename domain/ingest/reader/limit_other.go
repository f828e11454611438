//go:build !linux

package reader

import (
	"os"
	"os/exec"
	"strings"

	"bitb/domain/ingest/extract"
)

func self() (string, error) { return os.Executable() }

func isolate(*exec.Cmd) {}

// limit sets none elsewhere than on Linux, where BITB is run; what is left are the time limit, the collector's and PDFium's.
func limit(int64, uint64, uint64) error { return nil }

func allow(uint64) error { return nil }

func dieTogether(*exec.Cmd) (unlock func()) { return func() {} }

func forbidWriting() error { return nil }

func reasonOf(_ *exec.ExitError, stderr string) extract.Reason {
	if strings.Contains(stderr, "out of memory") {
		return extract.ReasonMemory
	}
	return ""
}

func peakMemory() int64 { return 0 }
