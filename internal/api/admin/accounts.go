package admin

import (
	"context"
	"errors"
	"net/http"

	"grange/internal/catalog"
	"grange/internal/id"
)

func toAccount(a catalog.Account) Account {
	return Account{ID: a.ID.String(), Name: a.Name, Description: a.Description, Created: a.Created}
}

// findAccount looks up an account by name, or by id where no account has that name.
func findAccount(v catalog.View, text string) (catalog.Account, error) {
	a, err := v.AccountByName(text)
	if !errors.Is(err, catalog.ErrNotFound) {
		return a, err
	}
	if canonical, perr := id.ParseAccount(text); perr == nil {
		if a, err := v.Account(canonical); !errors.Is(err, catalog.ErrNotFound) {
			return a, err
		}
	}
	return a, &Error{Code: NotFound, Message: "there is no account " + text}
}

// accountOf looks up the account that the path names.
func (s *Server) accountOf(r *http.Request) (catalog.Account, error) {
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return catalog.Account{}, err
	}
	return findAccount(v, r.PathValue("account"))
}

// accountName is the name of an account, for showing; an account that is gone has its id.
func accountName(v catalog.View, a id.Account) (string, error) {
	account, err := v.Account(a)
	if errors.Is(err, catalog.ErrNotFound) {
		return a.String(), nil
	}
	return account.Name, err
}

func (s *Server) listAccounts(r *http.Request) (any, error) {
	p, err := pageOf(r)
	if err != nil {
		return nil, err
	}
	v, err := s.o.Catalog.Read(r.Context())
	if err != nil {
		return nil, err
	}
	accounts, next, err := v.Accounts(p)
	if err != nil {
		return nil, err
	}
	l := AccountList{Accounts: []Account{}, Next: next}
	for _, a := range accounts {
		l.Accounts = append(l.Accounts, toAccount(a))
	}
	return l, nil
}

func (s *Server) createAccount(r *http.Request) (any, error) {
	n, err := body[NewAccount](r)
	if err != nil {
		return nil, err
	}
	a, err := s.o.Catalog.CreateAccount(r.Context(), n.Name, n.Description)
	if err != nil {
		return nil, err
	}
	return toAccount(a), nil
}

func (s *Server) getAccount(r *http.Request) (any, error) {
	a, err := s.accountOf(r)
	if err != nil {
		return nil, err
	}
	return toAccount(a), nil
}

func (s *Server) changeAccount(r *http.Request) (any, error) {
	ch, err := body[AccountChange](r)
	if err != nil {
		return nil, err
	}
	a, err := s.accountOf(r)
	if err != nil {
		return nil, err
	}
	a, err = s.o.Catalog.UpdateAccount(r.Context(), a.ID, catalog.AccountUpdate{Name: ch.Name, Description: ch.Description})
	if err != nil {
		return nil, err
	}
	return toAccount(a), nil
}

func (s *Server) deleteAccount(r *http.Request) (any, error) {
	a, err := s.accountOf(r)
	if err != nil {
		return nil, err
	}
	return nil, s.o.Catalog.DeleteAccount(r.Context(), a.ID)
}

// optionalAccount is the account that the query names, nil when it names none.
func optionalAccount(ctx context.Context, c Catalog, text string) (catalog.View, *id.Account, error) {
	v, err := c.Read(ctx)
	if err != nil || text == "" {
		return v, nil, err
	}
	a, err := findAccount(v, text)
	return v, &a.ID, err
}
