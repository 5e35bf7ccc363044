package config

import (
	"reflect"
	"strings"

	"github.com/spf13/pflag"
)

// AddFlags defines one flag for each setting: --s3-listen for s3_listen. Their defaults are not shown, because a flag
// that was not given leaves the setting to the other sources.
func AddFlags(flags *pflag.FlagSet) {
	for f := range reflect.TypeFor[Config]().Fields() {
		name := strings.ReplaceAll(f.Tag.Get("koanf"), "_", "-")
		if f.Type.Kind() == reflect.Bool {
			flags.Bool(name, false, summary(f.Name))
			continue
		}
		flags.String(name, "", "`"+placeholder(f.Type)+"`: "+summary(f.Name))
	}
}

func placeholder(t reflect.Type) string {
	switch t {
	case reflect.TypeFor[Size]():
		return "SIZE"
	case reflect.TypeFor[[]string](), reflect.TypeFor[[]BlockDir]():
		return "LIST"
	}
	if t.Kind() == reflect.Int64 {
		return "DURATION"
	}
	return "VALUE"
}

// summary is the first sentence of the field's documentation, without the field's name and the final dot.
func summary(field string) string {
	doc := fieldDocs[field]
	sentence, _, _ := strings.Cut(doc, ". ")
	sentence = strings.TrimSuffix(sentence, ".")
	for _, verb := range []string{" is ", " are ", " says ", " "} {
		if rest, ok := strings.CutPrefix(sentence, field+verb); ok {
			return rest
		}
	}
	return sentence
}
