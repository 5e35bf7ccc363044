// Package config reads the settings of a node.
//
// Settings come, each later source overriding the ones before, from the defaults, a TOML file, the environment
// (GRANGE_ and the name in capitals) and the command line. A node with no configuration at all works.
//
// [Config] is plain data: one field per setting, and the comment on a field is its documentation. The reference page
// docs/reference/configuration.md and the help of the flags are generated from those comments by internal/config/gen.
//
// [Load] refuses a setting that it does not know, or whose value cannot be used, with one line that names the setting,
// the value and the remedy. "grange config check" and "grange server" run the same Load.
package config

//go:generate go run ./gen
