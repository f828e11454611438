package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	leastDisk  = 1 << 30
	leastShare = 0.05
)

// Disk wants room where the process writes: files on their way in, and the reader's compiled code.
func Disk(dir string) func(context.Context) Result {
	return func(context.Context) Result {
		at := dir
		for { // not made yet: where it will be
			if _, err := os.Stat(at); err == nil || at == filepath.Dir(at) {
				break
			}
			at = filepath.Dir(at)
		}
		var fs unix.Statfs_t
		if err := unix.Statfs(at, &fs); err != nil {
			return Fail("The disk of %s cannot be looked at: %v.", at, err).Doing("See BITB_CACHE_DIR and TMPDIR.")
		}
		return judgeDisk(at, fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize))
	}
}

func judgeDisk(at string, free, all uint64) Result {
	share := float64(free) / float64(max(all, 1))
	found := fmt.Sprintf("%s free at %s (%.0f %%)", inBytes(free), at, 100*share)
	if free < leastDisk || share < leastShare {
		return Fail("%s.", found).Doing("Make room: a gigabyte and a twentieth of the disk at least.")
	}
	return Pass("%s.", found)
}

func inBytes(n uint64) string {
	if n >= 1<<30 {
		return fmt.Sprintf("%.1f GB", float64(n)/(1<<30))
	}
	return fmt.Sprintf("%d MB", n>>20)
}
