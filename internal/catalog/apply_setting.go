package catalog

import (
	"errors"

	"grange/internal/catalog/catalogpb"
)

func (t *tx) setSetting(c *catalogpb.SetSetting) (*catalogpb.Result, error) {
	if err := validName("setting", c.GetName()); err != nil {
		return nil, err
	}
	if len(c.GetValue()) > SettingMax {
		return nil, refuse(ErrLimit, "setting %q of %d bytes: at most %d", c.GetName(), len(c.GetValue()), SettingMax)
	}
	old, err := t.setting(c.GetName())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if c.Expected != nil && c.GetExpected() != old.Revision {
		return nil, refuse(ErrConflict, "setting %q is at revision %d", c.GetName(), old.Revision)
	}
	if c.Value == nil {
		t.delete(t.settingKey(c.GetName()))
		return done()
	}
	// The place in the log as revision: a setting that is deleted and made again does not get an old one.
	t.set(t.settingKey(c.GetName()), &catalogpb.Setting{Version: recordVersion, Revision: t.index, Value: c.GetValue()})
	return &catalogpb.Result{Number: t.index}, nil
}

// ensure imports a key and makes a bucket for its account, once for each pair: what the administrator deletes later
// stays deleted when the node starts again with the same configuration.
func (t *tx) ensure(c *catalogpb.Ensure) (*catalogpb.Result, error) {
	marker := t.ensuredKey(c.GetKey().GetId(), c.GetBucket())
	if happened, err := t.has(marker); err != nil {
		return nil, err
	} else if happened {
		return &catalogpb.Result{Existed: true}, nil
	}
	k, _, err := t.newKey(c.GetKey())
	if err != nil {
		return nil, err
	}
	if c.GetBucket() != "" {
		if _, _, err := t.newBucket(c.GetBucket(), "", k.Account); err != nil {
			return nil, err
		}
	}
	t.mark(marker)
	return done()
}
