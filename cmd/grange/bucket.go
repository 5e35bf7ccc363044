package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"grange/internal/api/admin"
	"grange/internal/config"
)

func (a *app) bucketCommand() *cobra.Command {
	return a.onNode(group("bucket", "Manage buckets",
		a.bucketCreateCommand(), a.bucketListCommand(), a.bucketShowCommand(), a.bucketDeleteCommand(),
		a.bucketGrantCommand(), a.bucketRevokeCommand(), a.bucketQuotaCommand()))
}

func (a *app) bucketCreateCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use: "create NAME --account ACCOUNT", Short: "Make a bucket", Args: exactly("NAME"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			if account == "" {
				return usage("--account is missing: a bucket belongs to an account")
			}
			b, err := c.CreateBucket(ctx, admin.NewBucket{Name: args[0], Account: account})
			if err != nil {
				return err
			}
			return a.showBucket(b)
		}),
	}
	c.Flags().StringVar(&account, "account", "", "`ACCOUNT` that owns the bucket")
	return c
}

func (a *app) bucketListCommand() *cobra.Command {
	var account string
	c := &cobra.Command{
		Use: "list", Short: "List the buckets", Args: exactly(),
		RunE: a.called(func(ctx context.Context, c *admin.Client, _ []string) error {
			buckets, err := c.Buckets(ctx, account)
			if err != nil {
				return err
			}
			return a.show(admin.BucketList{Buckets: buckets}, func(w io.Writer) {
				fmt.Fprintln(w, "NAME\tACCOUNT\tOBJECTS\tSIZE\tUPLOADS\tCREATED")
				for _, b := range buckets {
					fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%s\n", b.Name, b.Account, b.Objects, size(b.Bytes), b.Uploads, day(b.Created))
				}
			})
		}),
	}
	c.Flags().StringVar(&account, "account", "", "only the buckets of this `ACCOUNT`")
	return c
}

func (a *app) bucketShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show BUCKET", Short: "Show a bucket with its exact counts", Args: exactly("BUCKET"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			b, err := c.Bucket(ctx, args[0])
			if err != nil {
				return err
			}
			return a.showBucket(b)
		}),
	}
}

func (a *app) bucketDeleteCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete BUCKET", Short: "Delete an empty bucket", Args: exactly("BUCKET"),
		RunE: a.called(func(ctx context.Context, c *admin.Client, args []string) error {
			if err := c.DeleteBucket(ctx, args[0]); err != nil {
				return err
			}
			return a.deleted("bucket", args[0])
		}),
	}
}

// rightFlags adds --read, --write and --owner.
func rightFlags(c *cobra.Command) func() []admin.Right {
	read := c.Flags().Bool("read", false, "read and list objects")
	write := c.Flags().Bool("write", false, "write and delete objects")
	owner := c.Flags().Bool("owner", false, "change and delete the bucket and its configuration")
	return func() (rights []admin.Right) {
		for _, row := range []struct {
			given bool
			right admin.Right
		}{{*read, admin.ReadRight}, {*write, admin.WriteRight}, {*owner, admin.OwnerRight}} {
			if row.given {
				rights = append(rights, row.right)
			}
		}
		return rights
	}
}

func (a *app) bucketGrantCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "grant BUCKET KEY", Short: "Give a key rights on a bucket, beside those that it has", Args: exactly("BUCKET", "KEY"),
	}
	rights := rightFlags(c)
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, args []string) error {
		if len(rights()) == 0 {
			return usage("name the rights to give: --read, --write, --owner")
		}
		b, err := client.Grant(ctx, args[0], args[1], rights())
		if err != nil {
			return err
		}
		return a.showBucket(b)
	})
	return c
}

func (a *app) bucketRevokeCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "revoke BUCKET KEY", Short: "Take rights on a bucket from a key: those named, or all", Args: exactly("BUCKET", "KEY"),
	}
	rights := rightFlags(c)
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, args []string) error {
		b, err := client.Revoke(ctx, args[0], args[1], rights())
		if err != nil {
			return err
		}
		return a.showBucket(b)
	})
	return c
}

func (a *app) bucketQuotaCommand() *cobra.Command {
	var bytes string
	var objects int64
	c := &cobra.Command{
		Use: "quota BUCKET", Short: "Limit a bucket; what is not named stays, 0 is no limit", Args: exactly("BUCKET"),
	}
	c.Flags().StringVar(&bytes, "size", "", "`SIZE` of all content together, such as 500GB")
	c.Flags().Int64Var(&objects, "objects", 0, "`NUMBER` of objects")
	c.RunE = a.called(func(ctx context.Context, client *admin.Client, args []string) error {
		b, err := client.Bucket(ctx, args[0])
		if err != nil {
			return err
		}
		q := b.Quota
		if c.Flags().Changed("size") {
			n, err := config.ParseSize(bytes)
			if err != nil {
				return usage("--size: %w", err)
			}
			q.Bytes = int64(n)
		}
		if c.Flags().Changed("objects") {
			q.Objects = objects
		}
		if b, err = client.SetQuota(ctx, args[0], q); err != nil {
			return err
		}
		return a.showBucket(b)
	})
	return c
}

func (a *app) showBucket(b admin.Bucket) error {
	return a.show(b, func(w io.Writer) {
		fmt.Fprintf(w, "bucket\t%s\n", b.Name)
		fmt.Fprintf(w, "account\t%s\n", b.Account)
		fmt.Fprintf(w, "created\t%s\n", day(b.Created))
		fmt.Fprintf(w, "objects\t%d%s\n", b.Objects, limitText(b.Quota.Objects, fmt.Sprint))
		fmt.Fprintf(w, "versions\t%d\n", b.Versions)
		fmt.Fprintf(w, "size\t%s%s\n", size(b.Bytes), limitText(b.Quota.Bytes, func(v ...any) string { return size(v[0].(int64)) }))
		fmt.Fprintf(w, "uploads\t%d, %s\n", b.Uploads, size(b.UploadBytes))
		for _, g := range b.Grants {
			fmt.Fprintf(w, "granted\t%s: %s\n", g.Key, rightsText(g.Rights))
		}
	})
}

func limitText(limit int64, show func(...any) string) string {
	if limit == 0 {
		return ""
	}
	return " of " + show(limit)
}
