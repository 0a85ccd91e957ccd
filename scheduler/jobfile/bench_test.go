package jobfile

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkJSON(b *testing.B) {
	d := stored()
	for b.Loop() {
		_ = JSON(d)
	}
}

func BenchmarkJSONOfAList(b *testing.B) {
	d := stored()
	for b.Loop() {
		_ = JSON(d, "name", "type", "enabled", "schedule", "command", "container", "image")
	}
}

func BenchmarkParse1000Jobs(b *testing.B) {
	var text strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&text, "[job-exec \"job %d\"]\nschedule = @daily\ncontainer = web\ncommand = sh -c \"date # %d\"\nenvironment = A=1\n", i, i)
	}
	for b.Loop() {
		if _, err := Parse("f", text.String(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
