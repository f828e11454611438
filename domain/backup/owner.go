package backup

import (
	"os"
	"path/filepath"
	"syscall"
)

// ownerOf is who owns a directory or, where it does not exist yet, the one that it will lie in.
func ownerOf(dir string) (uid, gid int, err error) {
	info, err := os.Stat(dir)
	if os.IsNotExist(err) {
		info, err = os.Stat(filepath.Dir(filepath.Clean(dir)))
	}
	if err != nil {
		return 0, 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, nil
	}
	return int(st.Uid), int(st.Gid), nil
}
