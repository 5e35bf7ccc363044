package config

import (
	"reflect"
	"strconv"
	"strings"
	"time"
)

// durationHook reads durations in Go's form. A bare number is refused: its unit would be a guess.
func durationHook(from, to reflect.Type, value any) (any, error) {
	if to != reflect.TypeFor[time.Duration]() {
		return value, nil
	}
	if from.Kind() != reflect.String {
		return nil, strconv.ErrSyntax
	}
	return time.ParseDuration(value.(string))
}

// listHook reads the one-line form of lists: elements separated by commas, block directories as PATH or PATH=CAPACITY.
func listHook(from, to reflect.Type, value any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return value, nil
	}
	items := []any{}
	for item := range strings.SplitSeq(value.(string), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if to.Elem() != reflect.TypeFor[BlockDir]() {
			items = append(items, item)
			continue
		}
		path, capacity, _ := strings.Cut(item, "=")
		items = append(items, map[string]any{"path": path, "capacity": orZero(capacity)})
	}
	return items, nil
}

func orZero(s string) string {
	if s == "" {
		return "0"
	}
	return s
}

// remedyFor says in one line what a setting of type t should look like.
func remedyFor(t reflect.Type, err error) string {
	switch t {
	case reflect.TypeFor[Size]():
		return `write a number of bytes, or one with a unit such as "512MiB" or "2TB"`
	case reflect.TypeFor[time.Duration]():
		return `write a duration with its unit, such as "90s" or "24h"`
	case reflect.TypeFor[bool]():
		return "write true or false"
	case reflect.TypeFor[[]BlockDir]():
		return `write a list such as [{path = "/mnt/disk1", capacity = "2TB"}], or PATH=CAPACITY,PATH=CAPACITY outside the file`
	case reflect.TypeFor[[]string]():
		return `write a list such as ["a", "b"], or a,b outside the file`
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}

// suggestion names the known name nearest to key, or where to find all of them.
func suggestion(key string, known []string) string {
	best, distance := "", len(key)/2+1
	for _, name := range known {
		if d := editDistance(key, name); d < distance {
			best, distance = name, d
		}
	}
	if best == "" {
		return `see "grange config show" for all settings`
	}
	return "did you mean " + strconv.Quote(best) + "?"
}

// editDistance is Levenshtein's: the least number of characters to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
