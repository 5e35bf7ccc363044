package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"

	"grange/internal/api/s3/chunked"
	"grange/internal/api/s3/sigv4"
	"grange/internal/catalog"
	"grange/internal/store"
)

// Error is a failure in the form that an S3 client sees.
type Error struct {
	Code    Code    // clients branch on it
	Message string  // for people; free to change
	Fields  []Field // further elements of the error document, in order
	Err     error   // cause, for our log; never sent
}

// Field is one more element of an error document, such as <BucketName>.
type Field struct{ Name, Value string }

// Error implements error, for logs.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("s3: %s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("s3: %s: %s", e.Code, e.Message)
}

// Unwrap is the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is matches on the code, so that errors.Is(err, &Error{Code: NoSuchKey}) reads well.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// Status is the HTTP status that goes with the code.
func (e *Error) Status() int {
	if info, ok := codeTable[e.Code]; ok {
		return info.status
	}
	return http.StatusBadRequest
}

// fail is the error of a code in its default words.
func fail(code Code) *Error { return &Error{Code: code, Message: codeTable[code].message} }

// failf is the error of a code in words of its own.
func failf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalidArgument is an InvalidArgument that names the argument, as AWS does.
func invalidArgument(name, value, message string) *Error {
	return failf(InvalidArgument, "%s", message).with("ArgumentName", name).with("ArgumentValue", value)
}

// notImplemented refuses a header that asks for what we cannot do yet, rather than do something else silently.
func notImplemented(header string) *Error {
	return fail(NotImplemented).with("Header", header)
}

// with adds an element to the error document.
func (e *Error) with(name, value string) *Error {
	e.Fields = append(e.Fields, Field{name, value})
	return e
}

// because adds the cause, for our log.
func (e *Error) because(err error) *Error {
	e.Err = err
	return e
}

// domainCodes are the failures below that have one S3 answer. The first that matches counts.
var domainCodes = []struct {
	err  error
	code Code
}{
	{store.ErrNoBucket, NoSuchBucket},
	{store.ErrBucketExists, BucketAlreadyExists},
	{store.ErrBucketOwned, BucketAlreadyOwnedByYou},
	{store.ErrNotEmpty, BucketNotEmpty},
	{store.ErrNoObject, NoSuchKey},
	{store.ErrDeleteMarker, MethodNotAllowed},
	{store.ErrLocked, AccessDenied},
	{store.ErrNoObjectLock, InvalidRequest},
	{store.ErrBucketState, InvalidBucketState},
	{store.ErrPrecondition, PreconditionFailed},
	{store.ErrNoUpload, NoSuchUpload},
	{store.ErrInvalidPart, InvalidPart},
	{store.ErrPartOrder, InvalidPartOrder},
	{store.ErrPartTooSmall, EntityTooSmall},
	{store.ErrTooLarge, EntityTooLarge},
	{store.ErrBadRange, InvalidRange},
	{store.ErrSizeMismatch, IncompleteBody},
	{store.ErrChecksum, BadDigest},
	{store.ErrQuota, QuotaExceeded},
	{store.ErrNoSpace, StorageFull},
	{store.ErrUnavailable, ServiceUnavailable},
	{store.ErrCorrupt, InternalError},
	{catalog.ErrInvalid, InvalidBucketName},
	{context.Canceled, RequestTimeout},
	{os.ErrDeadlineExceeded, RequestTimeout}, // of a client that stands still
	{context.DeadlineExceeded, ServiceUnavailable},
}

// domainMessages are the texts of AWS where the code alone says too little.
var domainMessages = map[error]string{
	store.ErrLocked:       "Access Denied because object protected by object lock.",
	store.ErrNoObjectLock: "Bucket is missing Object Lock Configuration",
}

// fromDomain is the one place where a failure below becomes an S3 answer. What it does not know stays private and
// becomes InternalError. Failures of the request itself (its signature, its body) come first: the store passes them on
// wrapped when they end a put.
func fromDomain(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*sigv4.Error](err); ok {
		return fromSignature(e)
	}
	if e, ok := errors.AsType[*chunked.Error](err); ok {
		return fromBody(e)
	}
	if e, ok := errors.AsType[*store.PartTooSmallError](err); ok {
		return fromPartTooSmall(e).because(err)
	}
	for _, d := range domainCodes {
		if errors.Is(err, d.err) {
			e := fail(d.code).because(err)
			e.Message = cmp.Or(domainMessages[d.err], e.Message)
			return e
		}
	}
	return fail(InternalError).because(err)
}

func fromPartTooSmall(e *store.PartTooSmallError) *Error {
	return fail(EntityTooSmall).
		with("ProposedSize", strconv.FormatInt(e.Size, 10)).
		with("MinSizeAllowed", strconv.FormatInt(store.PartSizeMin, 10)).
		with("PartNumber", strconv.Itoa(e.Number)).
		with("ETag", e.ETag)
}
