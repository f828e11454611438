package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEvalCommand(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"a.md":            "# Locks\n\nThe lock opens by code.",
		"questions.jsonl": `{"_id": "1", "text": "how does it open?", "doc": "a.md", "spans": [[9, 32]], "excerpts": ["The lock opens by code."]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"eval", "--chunks", dir, "--tokens", "128, 512", "--overlap", "0,64", "--top", "1,2", "--json"}, nil, &out); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]float64
	if err := json.Unmarshal([]byte(out.String()), &rows); err != nil {
		t.Fatal(err)
	}
	// 64 is more than a quarter of 128
	if len(rows) != 6 || rows[0]["tokens"] != 128 || rows[5]["tokens"] != 512 || rows[5]["overlap"] != 64 || rows[5]["top"] != 2 {
		t.Errorf("%v", rows)
	}
	for _, key := range []string{"chunks", "mean_tokens", "span_recall", "iou", "recall_at_budget", "iou_at_budget"} {
		if rows[0][key] == 0 {
			t.Errorf("no %s: %v", key, rows[0])
		}
	}
	tests := []struct {
		args, want string
	}{
		{"", "eval needs a set: bitb eval --chunks DIR"},
		{"--chunks /nowhere", "the questions cannot be read"},
		{"--chunks DIR more", "eval needs a set"},
		{"--chunks DIR --tokens 64", `--tokens is numbers from 128 to 1024 with commas between them, not "64"`},
		{"--chunks DIR --tokens 128 --overlap 64", "a quarter of a chunk at most"},
		{"--chunks DIR --top 0", "--top is numbers from 1"},
		{"--chunks DIR --budget -1", "--budget is a number from 1"},
		{"--chunks DIR --bogus", "bitb help lists the options"},
	}
	for _, tt := range tests {
		err := run(t.Context(), append([]string{"eval"}, strings.Fields(strings.ReplaceAll(tt.args, "DIR", dir))...), nil, &out)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%q: %v", tt.args, err)
		}
	}
}
