// Package lint holds the rules of the house that no linter knows, as a test. Each failure names the better way.
package lint
