package s3_test

import (
	"strings"
	"testing"
)

func TestWhatIsNotConfiguredAnswersAsOnAWS(t *testing.T) {
	w := newWorld(t)
	w.newBucket("box")
	w.must(query{method: "PUT", path: "/box/key", body: "x", header: map[string]string{"x-amz-tagging": "a=1&b=%2B2"}})
	cases := map[string]struct {
		request string // method and path
		body    string
		header  map[string]string
		expect
	}{
		"versioning is off":                        {request: "GET /box?versioning", expect: expect{status: 200, body: xmlHead + `<VersioningConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></VersioningConfiguration>`}},
		"the owner has full control of a bucket":   {request: "GET /box?acl", expect: expect{status: 200, fields: map[string]string{"Permission": "FULL_CONTROL", "DisplayName": "owner"}}},
		"the owner has full control of an object":  {request: "GET /box/key?acl", expect: expect{status: 200, fields: map[string]string{"Permission": "FULL_CONTROL"}}},
		"no object has no ACL":                     {request: "GET /box/none?acl", expect: expect{status: 404, code: "NoSuchKey"}},
		"a private bucket may be made private":     {request: "PUT /box?acl", header: map[string]string{"x-amz-acl": "private"}, expect: expect{status: 200}},
		"a private object may be made private":     {request: "PUT /box/key?acl", header: map[string]string{"x-amz-acl": "private"}, expect: expect{status: 200}},
		"a private bucket stays private":           {request: "PUT /box?acl", header: map[string]string{"x-amz-acl": "public-read"}, expect: expect{status: 400, code: "AccessControlListNotSupported"}},
		"a grant is not given by header":           {request: "PUT /box?acl", header: map[string]string{"x-amz-grant-read": "id=1"}, expect: expect{status: 400, code: "AccessControlListNotSupported"}},
		"a grant is not given by document":         {request: "PUT /box?acl", body: "<AccessControlPolicy><AccessControlList><Grant><Grantee><URI>all</URI></Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>", expect: expect{status: 400, code: "AccessControlListNotSupported"}},
		"an ACL without anything is no ACL":        {request: "PUT /box?acl", expect: expect{status: 400, code: "MissingRequestBodyError"}},
		"a bucket has no tags":                     {request: "GET /box?tagging", expect: expect{status: 404, code: "NoSuchTagSet"}},
		"an object has its tags":                   {request: "GET /box/key?tagging", expect: expect{status: 200, body: xmlHead + `<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b</Key><Value>+2</Value></Tag></TagSet></Tagging>`}},
		"tags of a version":                        {request: "GET /box/key?tagging&versionId=null", expect: expect{status: 200}},
		"there is no object lock":                  {request: "GET /box?object-lock", expect: expect{status: 404, code: "ObjectLockConfigurationNotFoundError"}},
		"there is no retention":                    {request: "GET /box/key?retention", expect: expect{status: 400, code: "InvalidRequest"}},
		"a retention never becomes content":        {request: "PUT /box/key?retention", body: "<Retention/>", expect: expect{status: 400, code: "InvalidRequest"}},
		"there is no legal hold":                   {request: "GET /box/key?legal-hold", expect: expect{status: 400, code: "InvalidRequest"}},
		"there is no policy":                       {request: "GET /box?policy", expect: expect{status: 404, code: "NoSuchBucketPolicy"}},
		"there is no policy status":                {request: "GET /box?policyStatus", expect: expect{status: 404, code: "NoSuchBucketPolicy"}},
		"a policy that is not there is deleted":    {request: "DELETE /box?policy", expect: expect{status: 204}},
		"there is no encryption":                   {request: "GET /box?encryption", expect: expect{status: 404, code: "ServerSideEncryptionConfigurationNotFoundError"}},
		"there is no website":                      {request: "GET /box?website", expect: expect{status: 404, code: "NoSuchWebsiteConfiguration"}},
		"there is no CORS":                         {request: "GET /box?cors", expect: expect{status: 404, code: "NoSuchCORSConfiguration"}},
		"there is no lifecycle":                    {request: "GET /box?lifecycle", expect: expect{status: 404, code: "NoSuchLifecycleConfiguration"}},
		"a lifecycle is not put yet":               {request: "PUT /box?lifecycle", expect: expect{status: 501, code: "NotImplemented"}},
		"there is no replication":                  {request: "GET /box?replication", expect: expect{status: 404, code: "ReplicationConfigurationNotFoundError"}},
		"nobody is notified":                       {request: "GET /box?notification", expect: expect{status: 200}},
		"nobody may be notified":                   {request: "PUT /box?notification", body: "<NotificationConfiguration/>", expect: expect{status: 200}},
		"somebody cannot be notified":              {request: "PUT /box?notification", body: "<NotificationConfiguration><QueueConfiguration/></NotificationConfiguration>", expect: expect{status: 501, code: "NotImplemented"}},
		"nothing is logged":                        {request: "GET /box?logging", expect: expect{status: 200}},
		"nothing is accelerated":                   {request: "GET /box?accelerate", expect: expect{status: 200}},
		"the owner pays":                           {request: "GET /box?requestPayment", expect: expect{status: 200, fields: map[string]string{"Payer": "BucketOwner"}}},
		"the owner may pay":                        {request: "PUT /box?requestPayment", body: "<RequestPaymentConfiguration><Payer>BucketOwner</Payer></RequestPaymentConfiguration>", expect: expect{status: 200}},
		"the requester cannot pay":                 {request: "PUT /box?requestPayment", body: "<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>", expect: expect{status: 501, code: "NotImplemented"}},
		"the bucket's owner owns the objects":      {request: "GET /box?ownershipControls", expect: expect{status: 200, fields: map[string]string{"ObjectOwnership": "BucketOwnerEnforced"}}},
		"the bucket's owner may own the objects":   {request: "PUT /box?ownershipControls", body: "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>", expect: expect{status: 200}},
		"nobody else can own the objects":          {request: "PUT /box?ownershipControls", body: "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>", expect: expect{status: 501, code: "NotImplemented"}},
		"nothing is public":                        {request: "GET /box?publicAccessBlock", expect: expect{status: 200, fields: map[string]string{"BlockPublicAcls": "true", "RestrictPublicBuckets": "true"}}},
		"nothing may be public":                    {request: "PUT /box?publicAccessBlock", body: "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>", expect: expect{status: 200}},
		"nothing can be made public":               {request: "PUT /box?publicAccessBlock", body: "<PublicAccessBlockConfiguration><BlockPublicAcls>false</BlockPublicAcls></PublicAccessBlockConfiguration>", expect: expect{status: 501, code: "NotImplemented"}},
		"there are no inventories":                 {request: "GET /box?inventory", expect: expect{status: 200, fields: map[string]string{"IsTruncated": "false"}}},
		"there is no inventory of that name":       {request: "GET /box?inventory&id=a", expect: expect{status: 404, code: "NoSuchConfiguration"}},
		"there are no analytics":                   {request: "GET /box?analytics", expect: expect{status: 200}},
		"there are no metrics":                     {request: "GET /box?metrics", expect: expect{status: 200}},
		"there is no intelligent tiering":          {request: "GET /box?intelligent-tiering", expect: expect{status: 200}},
		"nothing is restored":                      {request: "POST /box/key?restore", expect: expect{status: 403, code: "InvalidObjectState"}},
		"there are no torrents":                    {request: "GET /box/key?torrent", expect: expect{status: 501, code: "NotImplemented"}},
		"nothing is selected":                      {request: "POST /box/key?select&select-type=2", expect: expect{status: 405, code: "MethodNotAllowed"}},
		"a bucket's setting is none of an object":  {request: "PUT /box/key?lifecycle", body: "x", expect: expect{status: 501, code: "NotImplemented"}},
		"an object's setting is none of a bucket":  {request: "GET /box?retention", expect: expect{status: 501, code: "NotImplemented"}},
		"two settings at once are not a request":   {request: "GET /box?acl&policy", expect: expect{status: 405, code: "MethodNotAllowed"}},
		"a rename is refused and stores no object": {request: "PUT /box/key?renameObject", expect: expect{status: 501, code: "NotImplemented"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(c.request, " ")
			c.check(t, w.do(query{method: method, path: path, body: c.body, header: c.header}))
		})
	}
	if got := w.getObject("/box/key").body; got != "x" {
		t.Errorf("a request about a sub-resource changed the object to %q", got)
	}
}
