package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"grange/internal/api/admin"
)

func (a *app) accountCommand() *cobra.Command {
	return a.onNode(group("account", "Manage accounts, which own buckets and keys",
		a.accountCreateCommand(), a.accountListCommand(), a.accountShowCommand(), a.accountRenameCommand(), a.accountDeleteCommand()))
}

func (a *app) accountCreateCommand() *cobra.Command {
	var n admin.NewAccount
	c := &cobra.Command{
		Use: "create NAME", Short: "Make an account", Args: exactly("NAME"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			n.Name = args[0]
			account, err := c.CreateAccount(ctx, n)
			if err != nil {
				return err
			}
			return a.showAccount(account)
		}),
	}
	c.Flags().StringVar(&n.Description, "description", "", "`TEXT` for people")
	return c
}

func (a *app) accountListCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the accounts", Args: exactly(),
		RunE: a.called(func(ctx context.Context, c *admin.Client, _ []string) error {
			accounts, err := c.Accounts(ctx)
			if err != nil {
				return err
			}
			return a.show(admin.AccountList{Accounts: accounts}, func(w io.Writer) {
				fmt.Fprintln(w, "NAME\tCREATED\tDESCRIPTION\tID")
				for _, x := range accounts {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", x.Name, day(x.Created), x.Description, x.ID)
				}
			})
		}),
	}
}

func (a *app) accountShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show ACCOUNT", Short: "Show an account, by name or id", Args: exactly("ACCOUNT"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			account, err := c.Account(ctx, args[0])
			if err != nil {
				return err
			}
			return a.showAccount(account)
		}),
	}
}

func (a *app) accountRenameCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rename ACCOUNT NAME", Short: "Give an account another name", Args: exactly("ACCOUNT", "NAME"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			account, err := c.ChangeAccount(ctx, args[0], admin.AccountChange{Name: &args[1]})
			if err != nil {
				return err
			}
			return a.showAccount(account)
		}),
	}
}

func (a *app) accountDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete ACCOUNT", Short: "Delete an account that has neither buckets nor keys", Args: exactly("ACCOUNT"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			if err := c.DeleteAccount(ctx, args[0]); err != nil {
				return err
			}
			return a.deleted("account", args[0])
		}),
	}
}

func (a *app) showAccount(x admin.Account) error {
	return a.show(x, func(w io.Writer) {
		fmt.Fprintf(w, "account\t%s\n", x.Name)
		fmt.Fprintf(w, "id\t%s\n", x.ID)
		fmt.Fprintf(w, "created\t%s\n", day(x.Created))
		if x.Description != "" {
			fmt.Fprintf(w, "description\t%s\n", x.Description)
		}
	})
}

// deleted tells that something is gone.
func (a *app) deleted(kind, name string) error {
	return a.show(map[string]string{"deleted": name}, func(w io.Writer) { fmt.Fprintf(w, "Deleted %s %s.\n", kind, name) })
}
