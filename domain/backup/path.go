package backup

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pglogrepl"
)

// logPath is the way from a base through the log. Each restore begins a new timeline, so the log is a tree; the newest branch that
// grew out of the base's own timeline is the one to follow.
type logPath struct {
	files    []walFile // all that recovery may ask for
	timeline int32     // to follow
	segments int       // that there are, one after the other, behind the base
	last     walFile   // of them
	gap      string    // the first that is missing though later ones are there; nothing after it can be reached
}

// branch says where a timeline was left for the next one.
type branch struct {
	timeline int32
	at       uint64
}

func (s *Service) follow(ctx context.Context, m Manifest) (logPath, error) {
	var p logPath
	var err error
	if p.files, err = s.walSince(ctx, m); err != nil {
		return p, err
	}
	end, err := pglogrepl.ParseLSN(m.EndLSN)
	if err != nil || end == 0 {
		return p, fmt.Errorf("the manifest of %s does not say where in the log it ends", m.File)
	}
	var way []branch // from the base's timeline on
	p.timeline = m.Timeline
	for _, f := range p.files {
		if f.isSegment() || len(s.keys.Load().open) == 0 { // who only makes backups sees no further than the base's own timeline
			continue
		}
		content, err := s.readWAL(ctx, f)
		if err != nil {
			return p, err
		}
		timeline, history, err := parseHistory(f.file, string(content))
		if err != nil {
			return p, err
		}
		if after := branchesAfter(history, m.Timeline, uint64(end)); after != nil && timeline > p.timeline {
			p.timeline, way = timeline, after
		}
	}
	// The base brings the log up to the end of the segment in which it ended.
	p.walk(m.Segment, (uint64(end)-1)/uint64(m.Segment)+1, append(way, branch{p.timeline, 1<<64 - 1}))
	return p, nil
}

// walk goes from a segment on along the branches as far as there are files. The segment in which a timeline was left is the
// next one's: it begins with a copy of what was before.
func (p *logPath) walk(size int64, next uint64, way []branch) {
	have := map[string]walFile{}
	newest := map[string]string{} // of each timeline
	for _, f := range p.files {
		if f.isSegment() {
			have[f.file] = f
			newest[f.file[:8]] = max(newest[f.file[:8]], f.file)
		}
	}
	for i, b := range way {
		for ; next < b.at/uint64(size); next++ {
			file := segmentFile(b.timeline, next*uint64(size), size)
			f, there := have[file]
			if !there {
				if last := i == len(way)-1; !last || newest[file[:8]] > file {
					p.gap = file
				}
				return
			}
			p.last, p.segments = f, p.segments+1
		}
	}
}

// parseHistory reads what PostgreSQL writes down of a timeline: a line for each that it came from, with where it was left.
func parseHistory(file, content string) (timeline int32, history []branch, err error) {
	n, err := strconv.ParseInt(file[:8], 16, 32)
	if err != nil {
		return 0, nil, fmt.Errorf("%s is no timeline's history", file)
	}
	for _, line := range strings.Split(content, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 2 || strings.HasPrefix(line, "#") {
			continue
		}
		parent, err1 := strconv.ParseInt(fields[0], 10, 32)
		at, err2 := pglogrepl.ParseLSN(fields[1])
		if err1 != nil || err2 != nil {
			return 0, nil, fmt.Errorf("%s has a line that says nothing: %q", file, line)
		}
		history = append(history, branch{int32(parent), uint64(at)})
	}
	return int32(n), history, nil
}

// branchesAfter returns where the way leads from a timeline on, nil where it does not go through it at that position.
func branchesAfter(history []branch, timeline int32, position uint64) []branch {
	for i, b := range history {
		if b.timeline == timeline && b.at >= position {
			return history[i:]
		}
	}
	return nil
}

// Reach is how far a backup can be restored.
type Reach struct {
	Manifest
	Until time.Time `json:"until"` // of a base: when the newest part of its log was stored
	Gap   string    `json:"gap"`   // the first segment that is missing; nothing after it can be reached
}

// Reaches lists the backups with how far each can be restored.
func (s *Service) Reaches(ctx context.Context) ([]Reach, error) {
	all, err := s.List(ctx)
	if err != nil {
		return nil, err
	}
	reaches := make([]Reach, 0, len(all))
	for _, m := range all {
		r := Reach{Manifest: m, Until: m.FinishedAt}
		if m.Kind == Base {
			p, err := s.follow(ctx, m)
			if err != nil {
				return nil, err
			}
			r.Gap = p.gap
			if p.last.Modified.After(r.Until) {
				r.Until = p.last.Modified
			}
		}
		reaches = append(reaches, r)
	}
	return reaches, nil
}
