package catalog_test

import (
	"fmt"
	"strings"
	"time"

	"grange/internal/catalog"
	"grange/internal/id"
)

// scriptCommands are the commands of the scripts.
var scriptCommands = map[string]func(s *script) (string, error){
	"init": func(s *script) (string, error) {
		c, err := s.c.Init(s.ctx, catalog.InitOptions{
			First: s.nodeRecord(), IndexGroups: int(s.num("groups")), Partitions: int(s.num("partitions")),
			Format: uint32(s.num("format")),
		})
		return fmt.Sprintf("format %d, layout %d, %d partitions, %d copies", c.Format, c.Epoch, c.Partitions, c.Copies), err
	},
	"cluster": func(s *script) (string, error) {
		c, err := s.c.View().Cluster()
		return fmt.Sprintf("format %d, layout %d, %d partitions, %d copies", c.Format, c.Epoch, c.Partitions, c.Copies), err
	},
	"raise-format": func(s *script) (string, error) { return "", s.c.RaiseFormat(s.ctx, uint32(s.num("format"))) },

	"put-node": func(s *script) (string, error) { return "", s.c.PutNode(s.ctx, s.nodeRecord()) },
	"update-node": func(s *script) (string, error) {
		u := catalog.NodeUpdate{Zone: text(s, "zone"), Address: text(s, "address"), Witness: flag(s, "witness")}
		if _, ok := s.opt("capacity"); ok {
			u.Capacity = new(s.num("capacity"))
		}
		if _, ok := s.opt("format"); ok {
			u.Format = new(uint32(s.num("format")))
		}
		return "", s.c.UpdateNode(s.ctx, s.node(s.arg("node")), u)
	},
	"remove-node": func(s *script) (string, error) { return "", s.c.RemoveNode(s.ctx, s.node(s.arg("node"))) },
	"nodes": func(s *script) (string, error) {
		nodes, err := s.c.View().Nodes()
		return lines(nodes, func(n catalog.Node) string {
			return fmt.Sprintf("n%d in %s, capacity %d, witness %v, at %q, format %d", n.ID[0], n.Zone, n.Capacity, n.Witness, n.Address, n.Format)
		}), err
	},

	"create-group": func(s *script) (string, error) {
		g, err := s.c.CreateGroup(s.ctx, s.nodes("nodes"))
		return fmt.Sprintf("group %d", g), err
	},
	"add-member": func(s *script) (string, error) {
		r, err := s.c.AddMember(s.ctx, id.Group(s.num("group")), s.node(s.arg("node")), s.arg("learner") == "yes")
		return fmt.Sprintf("replica %d", r), err
	},
	"promote-member": func(s *script) (string, error) {
		return "", s.c.PromoteMember(s.ctx, id.Group(s.num("group")), id.Replica(s.num("replica")))
	},
	"remove-member": func(s *script) (string, error) {
		return "", s.c.RemoveMember(s.ctx, id.Group(s.num("group")), id.Replica(s.num("replica")))
	},
	"groups": func(s *script) (string, error) {
		groups, err := s.c.View().Groups()
		return lines(groups, s.showGroup), err
	},

	// set-layout epoch=1 copies=2, then a line of nodes for each partition.
	"set-layout": func(s *script) (string, error) {
		l := catalog.Layout{Epoch: uint64(s.num("epoch")), Copies: int(s.num("copies"))}
		for line := range strings.Lines(s.d.Input) {
			var nodes []id.Node
			for n := range strings.FieldsSeq(line) {
				nodes = append(nodes, s.node(n))
			}
			l.Partitions = append(l.Partitions, nodes)
		}
		return "", s.c.SetLayout(s.ctx, l)
	},
	"retire-layouts": func(s *script) (string, error) {
		return "", s.c.RetireLayouts(s.ctx, uint64(s.num("before")))
	},
	"layouts": func(s *script) (string, error) {
		layouts, err := s.c.View().Layouts()
		return lines(layouts, func(l catalog.Layout) string {
			text := fmt.Sprintf("layout %d:", l.Epoch)
			for _, nodes := range l.Partitions {
				text += " ["
				for _, n := range nodes {
					text += fmt.Sprintf(" n%d", n[0])
				}
				text += " ]"
			}
			return text
		}), err
	},

	"create-account": func(s *script) (string, error) {
		_, err := s.c.CreateAccount(s.ctx, s.arg("name"), s.arg("description"))
		return "", err
	},
	"update-account": func(s *script) (string, error) {
		_, err := s.c.UpdateAccount(s.ctx, s.account(s.arg("account")), catalog.AccountUpdate{
			Name: text(s, "name"), Description: text(s, "description"),
		})
		return "", err
	},
	"delete-account": func(s *script) (string, error) {
		return "", s.c.DeleteAccount(s.ctx, s.account(s.arg("account")))
	},
	"accounts": func(s *script) (string, error) {
		accounts, next, err := s.c.View().Accounts(s.page())
		return paged(accounts, next, err, func(a catalog.Account) string { return fmt.Sprintf("%s %q", a.Name, a.Description) })
	},

	"create-key": func(s *script) (string, error) {
		k, err := s.c.CreateKey(s.ctx, s.keyOptions())
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("key of %s, name %q, id of %d and secret of %d characters", s.accountName(k.Account), k.Name, len(k.ID), len(k.Secret)), nil
	},
	"import-key": func(s *script) (string, error) {
		k, was, err := s.c.ImportKey(s.ctx, s.arg("key"), s.arg("secret"), s.keyOptions())
		if err != nil {
			return "", err
		}
		if was {
			return s.showKey(k) + ", as before", nil
		}
		return s.showKey(k), nil
	},
	"update-key": func(s *script) (string, error) {
		u := catalog.KeyUpdate{
			Name: text(s, "name"), Disabled: flag(s, "disabled"), CreateBuckets: flag(s, "create-buckets"),
			Narrowed: flag(s, "narrowed"), Scope: s.scope(),
		}
		if v, ok := s.opt("expires"); ok {
			expires, err := time.Parse(time.DateOnly, v)
			if err != nil && v != "never" {
				return "", err
			}
			u.Expires = &expires
		}
		k, err := s.c.UpdateKey(s.ctx, s.arg("key"), u)
		if err != nil {
			return "", err
		}
		return s.showKey(k), nil
	},
	"rotate-secret": func(s *script) (string, error) {
		before, err := s.c.View().AccessKey(s.arg("key"))
		if err != nil {
			return "", err
		}
		k, err := s.c.RotateSecret(s.ctx, s.arg("key"))
		return fmt.Sprintf("changed %v, %d characters", k.Secret != before.Secret, len(k.Secret)), err
	},
	"delete-key": func(s *script) (string, error) { return "", s.c.DeleteKey(s.ctx, s.arg("key")) },
	"key": func(s *script) (string, error) {
		k, err := s.c.View().AccessKey(s.arg("key"))
		if err != nil {
			return "", err
		}
		return s.showKey(*k), nil
	},
	"keys": func(s *script) (string, error) {
		if a := s.arg("account"); a != "" {
			keys, next, err := s.c.View().AccountKeys(s.account(a), s.page())
			return paged(keys, next, err, s.showKey)
		}
		keys, next, err := s.c.View().AccessKeys(s.page())
		return paged(keys, next, err, s.showKey)
	},
	"key-buckets": func(s *script) (string, error) {
		buckets, err := s.c.View().KeyBuckets(s.arg("key"))
		return lines(buckets, s.showBucket), err
	},

	"create-bucket": func(s *script) (string, error) {
		b, was, err := s.c.CreateBucket(s.ctx, catalog.BucketOptions{
			Name: s.arg("name"), Account: s.account(s.arg("account")), Key: s.arg("key"), Region: s.arg("region"),
		})
		if err != nil {
			return "", err
		}
		if s.numbers == nil {
			s.numbers = make(map[string]id.Bucket)
		}
		s.numbers[b.Name] = b.ID
		if was {
			return s.showBucket(b) + ", as before", nil
		}
		return s.showBucket(b), nil
	},
	"bucket": func(s *script) (string, error) {
		b, err := s.c.View().BucketByName(s.arg("name"))
		if err != nil {
			return "", err
		}
		return s.showBucket(*b), nil
	},
	"buckets": func(s *script) (string, error) {
		if a := s.arg("account"); a != "" {
			buckets, next, err := s.c.View().AccountBuckets(s.account(a), s.page())
			return paged(buckets, next, err, s.showBucket)
		}
		buckets, next, err := s.c.View().Buckets(s.page())
		return paged(buckets, next, err, s.showBucket)
	},
	"grant": func(s *script) (string, error) {
		return "", s.c.Grant(s.ctx, s.bucket(s.arg("bucket")), s.arg("key"), s.rights(s.arg("rights")))
	},
	"revoke": func(s *script) (string, error) {
		return "", s.c.Revoke(s.ctx, s.bucket(s.arg("bucket")), s.arg("key"), s.rights(s.arg("rights")))
	},
	// set-document bucket=b name=n [expect=<content>|none=yes], then the content; delete=yes deletes.
	"set-document": func(s *script) (string, error) {
		d := catalog.DocumentChange{Bucket: s.bucket(s.arg("bucket")), Name: s.arg("name")}
		if s.arg("delete") != "yes" {
			d.Content = []byte(s.d.Input)
		}
		if content, ok := s.opt("expect"); ok {
			d.Expect = &catalog.Expect{SHA256: sum(content)}
		}
		if s.arg("none") == "yes" {
			d.Expect = &catalog.Expect{None: true}
		}
		return existed(s.c.SetDocument(s.ctx, d))
	},
	"set-limits": func(s *script) (string, error) {
		return "", s.c.SetLimits(s.ctx, s.bucket(s.arg("bucket")), catalog.Limits{Bytes: s.num("bytes"), Objects: s.num("objects")})
	},
	"begin-delete":  func(s *script) (string, error) { return "", s.c.BeginDelete(s.ctx, s.bucket(s.arg("bucket"))) },
	"cancel-delete": func(s *script) (string, error) { return "", s.c.CancelDelete(s.ctx, s.bucket(s.arg("bucket"))) },
	"finish-delete": func(s *script) (string, error) {
		b := s.bucket(s.arg("bucket"))
		if n := s.num("number"); n != 0 {
			b = id.Bucket(n)
		}
		return "", s.c.FinishDelete(s.ctx, b)
	},
	"deleting": func(s *script) (string, error) {
		buckets, err := s.c.View().DeletingBuckets(id.Bucket(s.num("after")), int(s.num("max")))
		return lines(buckets, s.showBucket), err
	},

	"ensure": func(s *script) (string, error) {
		return existed(s.c.EnsureKeyAndBucket(s.ctx, catalog.FirstStart{
			KeyID: s.arg("key"), Secret: s.arg("secret"), Account: s.arg("account"), Bucket: s.arg("bucket"),
		}))
	},
	"set-setting": func(s *script) (string, error) {
		change := catalog.SettingChange{Name: s.arg("name")}
		if v, ok := s.opt("value"); ok {
			change.Value = []byte(v)
		}
		if _, ok := s.opt("expected"); ok {
			change.Expected = new(uint64(s.num("expected")))
		}
		r, err := s.c.SetSetting(s.ctx, change)
		return fmt.Sprintf("revision %d", r), err
	},
	"settings": func(s *script) (string, error) {
		settings, next, err := s.c.View().Settings(s.page())
		return paged(settings, next, err, func(v catalog.Setting) string {
			return fmt.Sprintf("%s = %q, revision %d", v.Name, v.Value, v.Revision)
		})
	},
}
