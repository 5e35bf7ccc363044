package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// WriteTOML writes the configuration as a file that [Load] reads back to the same.
func (c Config) WriteTOML() []byte {
	var b bytes.Buffer
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		fmt.Fprintf(&b, "%s = %s\n", v.Type().Field(i).Tag.Get("koanf"), tomlValue(v.Field(i).Interface()))
	}
	return b.Bytes()
}

// MarshalJSON writes the settings by their names, sizes and durations in their text forms.
func (c Config) MarshalJSON() ([]byte, error) {
	m := map[string]any{}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		value := v.Field(i).Interface()
		switch x := value.(type) {
		case time.Duration:
			value = x.String()
		case []string:
			value = append([]string{}, x...)
		case []BlockDir:
			value = append([]BlockDir{}, x...)
		}
		m[v.Type().Field(i).Tag.Get("koanf")] = value
	}
	return json.Marshal(m)
}

func tomlValue(value any) string {
	switch x := value.(type) {
	case string:
		return tomlString(x)
	case bool:
		return strconv.FormatBool(x)
	case []string:
		items := make([]string, len(x))
		for i, s := range x {
			items[i] = tomlString(s)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case []BlockDir:
		items := make([]string, len(x))
		for i, d := range x {
			items[i] = fmt.Sprintf("{path = %s, capacity = %s}", tomlString(d.Path), tomlString(d.Capacity.String()))
		}
		return "[" + strings.Join(items, ", ") + "]"
	}
	return tomlString(fmt.Sprint(value))
}

// tomlString quotes s: TOML's basic strings are JSON's without the escape of the slash, and with DEL escaped.
func tomlString(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always encodes
	return strings.ReplaceAll(strings.TrimSuffix(b.String(), "\n"), "\x7f", `\u007f`)
}
