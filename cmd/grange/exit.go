package main

import (
	"errors"
	"fmt"

	"grange/internal/api/admin"
	"grange/internal/block/disk"
	"grange/internal/catalog"
	"grange/internal/config"
	"grange/internal/index"
	"grange/internal/kv"
	"grange/internal/node"
)

const exitHelp = `Exit codes:
  0  done
  1  failed
  2  the command line is wrong
  3  the thing does not exist
  4  the name is taken, or the thing is still in use
  5  no node answers, or it cannot answer now
  6  the node refuses the admin token
  7  the configuration or the data directory cannot be used`

// usageError is a command line that cannot be understood.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// exitCode is the one place that says what a script sees of an error.
func exitCode(err error) int {
	refusal, _ := errors.AsType[*admin.Error](err)
	switch {
	case err == nil:
		return 0
	case isType[*usageError](err):
		return 2
	case refusal != nil:
		return exitOfRefusal(refusal.Code)
	case errors.Is(err, catalog.ErrNotFound), errors.Is(err, index.ErrNotFound):
		return 3
	case errors.Is(err, admin.ErrUnreachable), errors.Is(err, node.ErrNotRunning):
		return 5
	case isType[*config.LoadError](err), isType[*node.DirError](err), isType[*disk.DirError](err), errors.Is(err, kv.ErrNewerFormat):
		return 7
	}
	return 1
}

func exitOfRefusal(code admin.Code) int {
	switch code {
	case admin.NotFound:
		return 3
	case admin.Exists, admin.InUse:
		return 4
	case admin.Unavailable:
		return 5
	case admin.Unauthorized:
		return 6
	default:
		return 1
	}
}

func isType[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
