package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"grange/internal/api/admin"
)

func (a *app) keyCommand() *cobra.Command {
	return a.onNode(group("key", "Manage access keys",
		a.keyCreateCommand(), a.keyImportCommand(), a.keyListCommand(), a.keyShowCommand(), a.keyUpdateCommand(), a.keyDeleteCommand()))
}

// keyFlags are what create and import share.
type keyFlags struct {
	admin.NewKey
	scope   []string
	expires string
}

func (k *keyFlags) add(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&k.Name, "name", "", "`NAME` for people")
	f.StringVar(&k.Account, "account", "", "`ACCOUNT` that the key acts for; made if there is none (default: one of the key's name)")
	f.BoolVar(&k.CreateBuckets, "create-buckets", true, "let the key make buckets (a narrowed key may not by default)")
	f.BoolVar(&k.Narrowed, "narrowed", false, "give the key no rights but those of --scope, and on buckets that it makes")
	f.StringArrayVar(&k.scope, "scope", nil, "narrow the key to a bucket: `BUCKET=RIGHTS`, rights of read,write,owner; may be repeated")
	f.StringVar(&k.expires, "expires", "", "`WHEN` the key ends: a time like 2030-01-31T12:00:00Z, or a duration like 720h")
}

// request is the key that the flags ask for.
func (k *keyFlags) request(c *cobra.Command) (admin.NewKey, error) {
	var err error
	if k.Scope, err = parseScope(k.scope); err != nil {
		return k.NewKey, err
	}
	if k.expires != "" {
		t, err := parseWhen(k.expires)
		if err != nil {
			return k.NewKey, err
		}
		k.Expires = &t
	}
	if (k.Narrowed || len(k.Scope) > 0) && !c.Flags().Changed("create-buckets") {
		k.CreateBuckets = false
	}
	return k.NewKey, nil
}

func (a *app) keyCreateCommand() *cobra.Command {
	k := &keyFlags{}
	c := &cobra.Command{Use: "create", Short: "Make a key; its secret is shown once", Args: exactly()}
	k.add(c)
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, _ []string) error {
		n, err := k.request(c)
		if err != nil {
			return err
		}
		key, err := client.CreateKey(ctx, n)
		if err != nil {
			return err
		}
		return a.showKey(key)
	})
	return c
}

func (a *app) keyImportCommand() *cobra.Command {
	k := &keyFlags{}
	var secretFile string
	c := &cobra.Command{
		Use: "import --id ID --secret SECRET", Short: "Take over a key that was made elsewhere", Args: exactly(),
		Long: "Import enters a key of any format. The very same key again changes nothing.",
	}
	k.add(c)
	c.Flags().StringVar(&k.ID, "id", "", "`ID` of the key")
	c.Flags().StringVar(&k.Secret, "secret", "", "`SECRET` of the key; other users of this machine can see it while the command runs")
	c.Flags().StringVar(&secretFile, "secret-file", "", "`FILE` with the secret, instead of --secret")
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, _ []string) error {
		n, err := k.request(c)
		if err != nil {
			return err
		}
		if secretFile != "" {
			raw, err := os.ReadFile(secretFile)
			if err != nil {
				return fmt.Errorf("read the secret: %w", err)
			}
			n.Secret = strings.TrimSpace(string(raw))
		}
		if n.ID == "" || n.Secret == "" {
			return usage("--id and --secret (or --secret-file) are needed: they are the key")
		}
		key, err := client.ImportKey(ctx, n)
		if err != nil {
			return err
		}
		return a.showKey(key)
	})
	return c
}

func (a *app) keyListCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use: "list", Short: "List the keys", Args: exactly(),
		RunE: a.called(func(ctx context.Context, c *admin.Client, _ []string) error {
			keys, err := c.Keys(ctx, account)
			if err != nil {
				return err
			}
			return a.show(admin.KeyList{Keys: keys}, func(w io.Writer) {
				fmt.Fprintln(w, "ID\tNAME\tACCOUNT\tSTATE\tRIGHTS")
				for _, k := range keys {
					fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Account, keyState(k), keyRights(k))
				}
			})
		}),
	}
	c.Flags().StringVar(&account, "account", "", "only the keys of this `ACCOUNT`")
	return c
}

func (a *app) keyShowCommand() *cobra.Command {
	var secret bool
	c := &cobra.Command{
		Use: "show KEY", Short: "Show a key", Args: exactly("KEY"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			key, err := c.Key(ctx, args[0], secret)
			if err != nil {
				return err
			}
			return a.showKey(key)
		}),
	}
	c.Flags().BoolVar(&secret, "secret", false, "show the secret too")
	return c
}

func (a *app) keyUpdateCommand() *cobra.Command {
	var (
		name, expires                            string
		disable, createBuckets, narrowed, rotate bool
		scope                                    []string
	)
	c := &cobra.Command{Use: "update KEY", Short: "Change a key", Args: exactly("KEY")}
	f := c.Flags()
	f.StringVar(&name, "name", "", "`NAME` for people")
	f.StringVar(&expires, "expires", "", "`WHEN` the key ends: a time, a duration from now, or never")
	f.BoolVar(&disable, "disabled", false, "refuse the key, until --disabled=false")
	f.BoolVar(&createBuckets, "create-buckets", false, "let the key make buckets")
	f.BoolVar(&narrowed, "narrowed", false, "only the buckets in its scope; --narrowed=false gives all of its account and drops the scope")
	f.StringArrayVar(&scope, "scope", nil, "replace the scope: `BUCKET=RIGHTS`; may be repeated")
	f.BoolVar(&rotate, "rotate-secret", false, "draw a new secret, which is shown once; the old one ends")
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, args []string) error {
		ch := admin.KeyChange{RotateSecret: rotate}
		ifGiven(c, "name", &ch.Name, name)
		ifGiven(c, "disabled", &ch.Disabled, disable)
		ifGiven(c, "create-buckets", &ch.CreateBuckets, createBuckets)
		ifGiven(c, "narrowed", &ch.Narrowed, narrowed)
		if f.Changed("scope") {
			grants, err := parseScope(scope)
			if err != nil {
				return err
			}
			ch.Scope = &grants
		}
		if f.Changed("expires") {
			when, err := parseWhen(expires)
			if err != nil {
				return err
			}
			ch.Expires = &when
		}
		key, err := client.ChangeKey(ctx, args[0], ch)
		if err != nil {
			return err
		}
		return a.showKey(key)
	})
	return c
}

// ifGiven sets a field of a change when the flag was given.
func ifGiven[T any](c *cobra.Command, flag string, field **T, value T) {
	if c.Flags().Changed(flag) {
		*field = &value
	}
}

func (a *app) keyDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete KEY", Short: "Delete a key and what was granted to it", Args: exactly("KEY"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			if err := c.DeleteKey(ctx, args[0]); err != nil {
				return err
			}
			return a.deleted("key", args[0])
		}),
	}
}

// parseScope reads BUCKET=RIGHT,RIGHT.
func parseScope(items []string) ([]admin.Grant, error) {
	grants := []admin.Grant{}
	for _, item := range items {
		bucket, rights, ok := strings.Cut(item, "=")
		if !ok || bucket == "" || rights == "" {
			return nil, usage("--scope %q: write BUCKET=RIGHTS, such as photos=read,write", item)
		}
		g := admin.Grant{Bucket: bucket}
		for r := range strings.SplitSeq(rights, ",") {
			g.Rights = append(g.Rights, admin.Right(r))
		}
		grants = append(grants, g)
	}
	return grants, nil
}

// parseWhen reads a time, a duration from now, or "never", which is the zero time.
func parseWhen(text string) (time.Time, error) {
	if text == "never" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return time.Now().Add(d).UTC(), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, usage("--expires %q: write a time like 2030-01-31T12:00:00Z, or a duration like 720h", text)
	}
	return t, nil
}

func (a *app) showKey(k admin.Key) error {
	return a.show(k, func(w io.Writer) {
		fmt.Fprintf(w, "key id\t%s\n", k.ID)
		if k.Secret != "" {
			fmt.Fprintf(w, "secret\t%s\n", k.Secret)
		}
		fmt.Fprintf(w, "name\t%s\n", k.Name)
		fmt.Fprintf(w, "account\t%s\n", k.Account)
		fmt.Fprintf(w, "created\t%s\n", day(k.Created))
		if k.Expires != nil {
			fmt.Fprintf(w, "expires\t%s\n", day(*k.Expires))
		}
		fmt.Fprintf(w, "state\t%s\n", keyState(k))
		fmt.Fprintf(w, "rights\t%s\n", keyRights(k))
	})
}

func keyState(k admin.Key) string {
	switch {
	case k.Disabled:
		return "disabled"
	case k.Expires != nil && k.Expires.Before(time.Now()):
		return "expired"
	}
	return "active"
}

func keyRights(k admin.Key) string {
	text := "all buckets of its account"
	if k.Narrowed {
		items := make([]string, len(k.Scope))
		for i, g := range k.Scope {
			items[i] = g.Bucket + "=" + rightsText(g.Rights)
		}
		text = "only " + strings.Join(items, " ")
		if len(items) == 0 {
			text = "no buckets"
		}
	}
	if k.CreateBuckets {
		text += ", may make buckets"
	}
	return text
}

func rightsText(rights []admin.Right) string {
	names := make([]string, len(rights))
	for i, r := range rights {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}
