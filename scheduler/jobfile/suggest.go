package jobfile

import (
	"strings"
	"unicode/utf8"
)

var dashes = strings.NewReplacer("-", "", "_", "")

// normal is what keys are compared by.
func normal(key string) string { return dashes.Replace(strings.ToLower(key)) }

// didYouMean is ` (did you mean "x"?)` when one of known is close enough to word
// that it is hardly anything else, or "".
func didYouMean(word string, known []string) string {
	word = normal(word)
	if len(word) > 60 {
		return ""
	}
	best, found := 1+utf8.RuneCountInString(word)/3, ""
	for _, k := range known {
		if d := distance(word, normal(k)); d < best || d == best && found == "" {
			best, found = d, k
		}
	}
	if found == "" {
		return ""
	}
	return ` (did you mean "` + found + `"?)`
}

// distance counts the letters to insert, drop, replace, or swap with their
// neighbour, to make b of a.
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	rows := [3][]int{make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)}
	for j := range rows[1] {
		rows[1][j] = j
	}
	for i := 1; i <= len(x); i++ {
		older, prev, row := rows[(i-1)%3], rows[i%3], rows[(i+1)%3]
		row[0] = i
		for j := 1; j <= len(y); j++ {
			change := 1
			if x[i-1] == y[j-1] {
				change = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+change)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return rows[(len(x)+1)%3][len(y)]
}

// cut shortens what a message repeats, at a rune.
func cut(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	end := most
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
