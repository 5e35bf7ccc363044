package s3

import (
	"math"
	"strconv"

	"grange/internal/id"
	"grange/internal/index"
)

func itoa(n int) string { return strconv.Itoa(n) }

// param is the first value of a query parameter, "" if there is none.
func (c *call) param(name string) string {
	if values := c.query[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// count reads a number of things to list, between least and most; larger ones count as most, as on AWS.
func (c *call) count(name string, least, most int) (int, error) {
	text := c.param(name)
	if text == "" {
		return most, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, invalidArgument(name, text, "Provided "+name+" not an integer or within integer range")
	}
	if n < int64(least) {
		return 0, invalidArgument(name, text, "Argument "+name+" must be an integer between "+itoa(least)+" and "+itoa(math.MaxInt32))
	}
	return min(int(n), most), nil
}

// keyParam reads a parameter that holds a key or the beginning of one.
func (c *call) keyParam(name string) (string, error) {
	text := c.param(name)
	if len(text) > index.KeyMax {
		return "", keyTooLong(text)
	}
	return text, nil
}

// encoding reads encoding-type; true for "url".
func (c *call) encoding() (bool, error) {
	switch text := c.param("encoding-type"); text {
	case "":
		return false, nil
	case "url":
		return true, nil
	default:
		return false, invalidArgument("encoding-type", text, "Invalid Encoding Method specified in Request")
	}
}

func parsePartNumber(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > index.PartNumberMax {
		return 0, invalidArgument("partNumber", text, "Part number must be an integer between 1 and 10000, inclusive")
	}
	return n, nil
}

// uploadParam reads ?uploadId. A text that is no id names no upload.
func (c *call) uploadParam() (id.Upload, error) {
	u, err := id.ParseUpload(c.param("uploadId"))
	if err != nil {
		return u, fail(NoSuchUpload).with("UploadId", c.param("uploadId")).because(err)
	}
	return u, nil
}

// displayName is what is shown of an account besides its id; "" for one that is gone.
func (c *call) displayName(account id.Account) string {
	a, err := c.server.backend.Account(c.ctx, account)
	if err != nil {
		return ""
	}
	return a.Name
}

// initiator is the account that a request acts for; the zero account is nobody's.
func (c *call) initiator() id.Account {
	if c.key == nil {
		return id.Account{}
	}
	return c.key.Account
}
