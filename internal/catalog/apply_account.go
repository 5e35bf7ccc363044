package catalog

import (
	"grange/internal/catalog/catalogpb"
	"grange/internal/id"
)

func (t *tx) createAccount(c *catalogpb.CreateAccount) (*catalogpb.Result, error) {
	_, err := t.accountByName(c.GetName())
	if exists, err := found(err); err != nil {
		return nil, err
	} else if exists {
		return nil, refuse(ErrExists, "account %q", shorten(c.GetName()))
	}
	a, err := t.newAccount(c.GetId(), c.GetName(), c.GetDescription())
	if err != nil {
		return nil, err
	}
	return &catalogpb.Result{Account: toAccount(a)}, nil
}

// newAccount sets the records of an account whose name is free.
func (t *tx) newAccount(rawID []byte, name, description string) (Account, error) {
	a := Account{Name: name, Created: t.now, Description: description}
	if fixed("account id", a.ID[:], rawID) != nil || a.ID == (id.Account{}) {
		return a, refuse(ErrInvalid, "account id of %d bytes", len(rawID))
	}
	if err := validAccount(a); err != nil {
		return a, err
	}
	_, err := t.account(a.ID)
	if exists, err := found(err); err != nil {
		return a, err
	} else if exists {
		return a, refuse(ErrExists, "account %s", a.ID)
	}
	t.set(t.accountKey(a.ID), toAccount(a))
	t.set(t.accountNameKey(name), &catalogpb.Reference{Version: recordVersion, Account: a.ID[:]})
	return a, nil
}

func validAccount(a Account) error {
	if err := validName("account", a.Name); err != nil {
		return err
	}
	return validText("description", a.Description)
}

func (t *tx) accountOf(rawID []byte) (Account, error) {
	var a id.Account
	if fixed("account id", a[:], rawID) != nil {
		return Account{}, refuse(ErrInvalid, "account id of %d bytes", len(rawID))
	}
	return t.account(a)
}

func (t *tx) updateAccount(c *catalogpb.UpdateAccount) (*catalogpb.Result, error) {
	a, err := t.accountOf(c.GetId())
	if err != nil {
		return nil, err
	}
	before := a.Name
	setIf(&a.Name, c.Name)
	setIf(&a.Description, c.Description)
	if err := validAccount(a); err != nil {
		return nil, err
	}
	if a.Name != before {
		_, err := t.accountByName(a.Name)
		if exists, err := found(err); err != nil {
			return nil, err
		} else if exists {
			return nil, refuse(ErrExists, "account %q", a.Name)
		}
		t.delete(t.accountNameKey(before))
		t.set(t.accountNameKey(a.Name), &catalogpb.Reference{Version: recordVersion, Account: a.ID[:]})
	}
	t.set(t.accountKey(a.ID), toAccount(a))
	return &catalogpb.Result{Account: toAccount(a)}, nil
}

// deleteAccount removes an account that has neither buckets nor keys.
func (t *tx) deleteAccount(c *catalogpb.DeleteAccount) (*catalogpb.Result, error) {
	a, err := t.accountOf(c.GetId())
	if err != nil {
		return nil, err
	}
	for _, owned := range []struct {
		what  string
		table byte
	}{{"bucket", tableAccountBuckets}, {"key", tableAccountKeys}} {
		names, err := t.names(t.key(owned.table, a.ID[:]), 1)
		if err != nil {
			return nil, err
		}
		if len(names) > 0 {
			return nil, refuse(ErrInUse, "account %q has the %s %q", a.Name, owned.what, names[0])
		}
	}
	t.delete(t.accountKey(a.ID))
	t.delete(t.accountNameKey(a.Name))
	return done()
}
