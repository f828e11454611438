//go:build unix

package extract

import (
	"io/fs"
	"os"
	"syscall"
)

func ownedByUs(info fs.FileInfo) bool {
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// reserve returns n bytes of address space that may not be touched and cost nothing until commit, or nil.
func reserve(n int) []byte {
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_NONE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return nil
	}
	return b
}

// commit makes reserved memory usable, unless the limits of the process forbid it.
func commit(b []byte) bool {
	return len(b) == 0 || syscall.Mprotect(b, syscall.PROT_READ|syscall.PROT_WRITE) == nil
}

func release(b []byte) { _ = syscall.Munmap(b) }
