package s3

import (
	"net/http"
	"slices"

	"grange/internal/access"
)

const (
	get     = http.MethodGet
	head    = http.MethodHead
	put     = http.MethodPut
	post    = http.MethodPost
	remove  = http.MethodDelete
	options = http.MethodOptions
)

// routes is every operation that there is. What is not in this table cannot be asked for.
var routes = newRouteTable(slices.Concat(
	bucketRoutes, objectRoutes, listingRoutes, multipartRoutes, bucketConfigRoutes, bucketListRoutes, objectConfigRoutes, preflightRoutes,
))

var bucketRoutes = []route{
	{name: "ListBuckets", method: get, level: service, action: access.ListAllMyBuckets, handle: listBuckets},
	{name: "CreateBucket", method: put, level: bucket, action: access.CreateBucket, handle: createBucket, makesBucket: true},
	{name: "HeadBucket", method: head, level: bucket, action: access.ListBucket, handle: headBucket},
	{name: "DeleteBucket", method: remove, level: bucket, action: access.DeleteBucket, handle: deleteBucket},
	{name: "GetBucketLocation", method: get, level: bucket, query: []string{"location"}, action: access.GetBucketLocation, handle: getBucketLocation},
}

var objectRoutes = []route{
	{name: "PutObject", method: put, level: object, action: access.PutObject, handle: putObject},
	{name: "GetObject", method: get, level: object, action: access.GetObject, versionAction: access.GetObjectVersion, handle: getObject},
	{name: "HeadObject", method: head, level: object, action: access.GetObject, versionAction: access.GetObjectVersion, handle: headObject},
	{name: "DeleteObject", method: remove, level: object, action: access.DeleteObject, versionAction: access.DeleteObjectVersion, handle: deleteObject},
	{name: "DeleteObjects", method: post, level: bucket, query: []string{"delete"}, action: access.DeleteObject, handle: deleteObjects},
	{name: "CopyObject", method: put, level: object, header: copySourceHeader, action: access.PutObject, handle: copyObject},
	{name: "GetObjectAttributes", method: get, level: object, query: []string{"attributes"}, action: access.GetObjectAttributes, versionAction: access.GetObjectVersionAttributes, handle: getObjectAttributes},
	{name: "PostObject", method: post, level: bucket, action: access.PutObject, handle: unavailable},
}

var listingRoutes = []route{
	{name: "ListObjects", method: get, level: bucket, action: access.ListBucket, handle: listObjects},
	{name: "ListObjectsV2", method: get, level: bucket, query: []string{"list-type=2"}, action: access.ListBucket, handle: listObjectsV2},
	{name: "ListObjectVersions", method: get, level: bucket, query: []string{"versions"}, action: access.ListBucketVersions, handle: listObjectVersions},
}

var multipartRoutes = []route{
	{name: "CreateMultipartUpload", method: post, level: object, query: []string{"uploads"}, action: access.PutObject, handle: createMultipartUpload},
	{name: "UploadPart", method: put, level: object, query: []string{"partNumber", "uploadId"}, action: access.PutObject, handle: uploadPart},
	{name: "UploadPartCopy", method: put, level: object, query: []string{"partNumber", "uploadId"}, header: copySourceHeader, action: access.PutObject, handle: uploadPartCopy},
	{name: "CompleteMultipartUpload", method: post, level: object, query: []string{"uploadId"}, action: access.PutObject, handle: completeMultipartUpload},
	{name: "AbortMultipartUpload", method: remove, level: object, query: []string{"uploadId"}, action: access.AbortMultipartUpload, handle: abortMultipartUpload},
	{name: "ListParts", method: get, level: object, query: []string{"uploadId"}, action: access.ListMultipartUploadParts, handle: listParts},
	{name: "ListMultipartUploads", method: get, level: bucket, query: []string{"uploads"}, action: access.ListBucketMultipartUploads, handle: listMultipartUploads},
}

// on is a route of a bucket's sub-resource.
func on(method, query, name string, action access.Action, handle func(*call) error) route {
	return route{name: name, method: method, level: bucket, query: []string{query}, action: action, handle: handle}
}

var bucketConfigRoutes = []route{
	on(get, "versioning", "GetBucketVersioning", access.GetBucketVersioning, getBucketVersioning),
	on(put, "versioning", "PutBucketVersioning", access.PutBucketVersioning, putBucketVersioning),
	on(get, "acl", "GetBucketAcl", access.GetBucketAcl, aclDocument),
	on(put, "acl", "PutBucketAcl", access.PutBucketAcl, putACL),
	on(get, "tagging", "GetBucketTagging", access.GetBucketTagging, getBucketTagging),
	on(put, "tagging", "PutBucketTagging", access.PutBucketTagging, putBucketTagging),
	on(remove, "tagging", "DeleteBucketTagging", access.PutBucketTagging, deleteBucketTagging),
	on(get, "object-lock", "GetObjectLockConfiguration", access.GetBucketObjectLockConfiguration, getObjectLockConfiguration),
	on(put, "object-lock", "PutObjectLockConfiguration", access.PutBucketObjectLockConfiguration, putObjectLockConfiguration),
	on(get, "policy", "GetBucketPolicy", access.GetBucketPolicy, absent(NoSuchBucketPolicy)),
	on(put, "policy", "PutBucketPolicy", access.PutBucketPolicy, unavailable),
	on(remove, "policy", "DeleteBucketPolicy", access.DeleteBucketPolicy, nothingToDelete),
	on(get, "policyStatus", "GetBucketPolicyStatus", access.GetBucketPolicyStatus, absent(NoSuchBucketPolicy)),
	on(get, "encryption", "GetBucketEncryption", access.GetEncryptionConfiguration, absent(ServerSideEncryptionConfigNotFound)),
	on(put, "encryption", "PutBucketEncryption", access.PutEncryptionConfiguration, unavailable),
	on(remove, "encryption", "DeleteBucketEncryption", access.PutEncryptionConfiguration, nothingToDelete),
	on(get, "website", "GetBucketWebsite", access.GetBucketWebsite, absent(NoSuchWebsiteConfiguration)),
	on(put, "website", "PutBucketWebsite", access.PutBucketWebsite, unavailable),
	on(remove, "website", "DeleteBucketWebsite", access.DeleteBucketWebsite, nothingToDelete),
	on(get, "cors", "GetBucketCors", access.GetBucketCORS, absent(NoSuchCORSConfiguration)),
	on(put, "cors", "PutBucketCors", access.PutBucketCORS, unavailable),
	on(remove, "cors", "DeleteBucketCors", access.PutBucketCORS, nothingToDelete),
	on(get, "lifecycle", "GetBucketLifecycleConfiguration", access.GetLifecycleConfiguration, absent(NoSuchLifecycleConfiguration)),
	on(put, "lifecycle", "PutBucketLifecycleConfiguration", access.PutLifecycleConfiguration, unavailable),
	on(remove, "lifecycle", "DeleteBucketLifecycle", access.PutLifecycleConfiguration, nothingToDelete),
	on(get, "replication", "GetBucketReplication", access.GetReplicationConfiguration, absent(ReplicationConfigurationNotFound)),
	on(put, "replication", "PutBucketReplication", access.PutReplicationConfiguration, unavailable),
	on(remove, "replication", "DeleteBucketReplication", access.PutReplicationConfiguration, nothingToDelete),
	on(get, "notification", "GetBucketNotificationConfiguration", access.GetBucketNotification, emptyDocument("NotificationConfiguration")),
	on(put, "notification", "PutBucketNotificationConfiguration", access.PutBucketNotification, acceptEmpty("NotificationConfiguration")),
	on(get, "logging", "GetBucketLogging", access.GetBucketLogging, emptyDocument("BucketLoggingStatus")),
	on(put, "logging", "PutBucketLogging", access.PutBucketLogging, acceptEmpty("BucketLoggingStatus")),
	on(get, "accelerate", "GetBucketAccelerateConfiguration", access.GetAccelerateConfiguration, emptyDocument("AccelerateConfiguration")),
	on(put, "accelerate", "PutBucketAccelerateConfiguration", access.PutAccelerateConfiguration, acceptFixed("AccelerateConfiguration", "Status", "Suspended")),
	on(get, "requestPayment", "GetBucketRequestPayment", access.GetBucketRequestPayment, fixed("RequestPaymentConfiguration", "Payer", "BucketOwner")),
	on(put, "requestPayment", "PutBucketRequestPayment", access.PutBucketRequestPayment, acceptFixed("RequestPaymentConfiguration", "Payer", "BucketOwner")),
	on(get, "ownershipControls", "GetBucketOwnershipControls", access.GetBucketOwnershipControls, ownershipControls),
	on(put, "ownershipControls", "PutBucketOwnershipControls", access.PutBucketOwnershipControls, acceptFixed("OwnershipControls", "ObjectOwnership", "BucketOwnerEnforced")),
	on(remove, "ownershipControls", "DeleteBucketOwnershipControls", access.PutBucketOwnershipControls, unavailable),
	on(get, "publicAccessBlock", "GetPublicAccessBlock", access.GetBucketPublicAccessBlock, publicAccessBlock),
	on(put, "publicAccessBlock", "PutPublicAccessBlock", access.PutBucketPublicAccessBlock, putPublicAccessBlock),
	on(remove, "publicAccessBlock", "DeletePublicAccessBlock", access.PutBucketPublicAccessBlock, unavailable),
}

// bucketListRoutes are the sub-resources that hold any number of named configurations.
var bucketListRoutes = []route{
	on(get, "inventory", "ListBucketInventoryConfigurations", access.GetInventoryConfiguration, emptyList("ListInventoryConfigurationsResult")),
	on(put, "inventory", "PutBucketInventoryConfiguration", access.PutInventoryConfiguration, unavailable),
	on(remove, "inventory", "DeleteBucketInventoryConfiguration", access.PutInventoryConfiguration, absent(NoSuchConfiguration)),
	on(get, "analytics", "ListBucketAnalyticsConfigurations", access.GetAnalyticsConfiguration, emptyList("ListBucketAnalyticsConfigurationResult")),
	on(put, "analytics", "PutBucketAnalyticsConfiguration", access.PutAnalyticsConfiguration, unavailable),
	on(remove, "analytics", "DeleteBucketAnalyticsConfiguration", access.PutAnalyticsConfiguration, absent(NoSuchConfiguration)),
	on(get, "metrics", "ListBucketMetricsConfigurations", access.GetMetricsConfiguration, emptyList("ListMetricsConfigurationsResult")),
	on(put, "metrics", "PutBucketMetricsConfiguration", access.PutMetricsConfiguration, unavailable),
	on(remove, "metrics", "DeleteBucketMetricsConfiguration", access.PutMetricsConfiguration, absent(NoSuchConfiguration)),
	on(get, "intelligent-tiering", "ListBucketIntelligentTieringConfigurations", access.GetIntelligentTieringConfiguration, emptyList("ListBucketIntelligentTieringConfigurationsOutput")),
	on(put, "intelligent-tiering", "PutBucketIntelligentTieringConfiguration", access.PutIntelligentTieringConfiguration, unavailable),
	on(remove, "intelligent-tiering", "DeleteBucketIntelligentTieringConfiguration", access.PutIntelligentTieringConfiguration, absent(NoSuchConfiguration)),
}

// of is a route of an object's sub-resource.
func of(method, query, name string, action access.Action, handle func(*call) error) route {
	return route{name: name, method: method, level: object, query: []string{query}, action: action, handle: handle}
}

// ofVersion names the action for one version of the object.
func (r route) ofVersion(action access.Action) route {
	r.versionAction = action
	return r
}

var objectConfigRoutes = []route{
	of(get, "acl", "GetObjectAcl", access.GetObjectAcl, onObject(aclDocument)).ofVersion(access.GetObjectVersionAcl),
	of(put, "acl", "PutObjectAcl", access.PutObjectAcl, onObject(putACL)).ofVersion(access.PutObjectVersionAcl),
	of(get, "tagging", "GetObjectTagging", access.GetObjectTagging, getObjectTagging).ofVersion(access.GetObjectVersionTagging),
	of(put, "tagging", "PutObjectTagging", access.PutObjectTagging, putObjectTagging).ofVersion(access.PutObjectVersionTagging),
	of(remove, "tagging", "DeleteObjectTagging", access.DeleteObjectTagging, deleteObjectTagging).ofVersion(access.DeleteObjectVersionTagging),
	of(get, "retention", "GetObjectRetention", access.GetObjectRetention, getObjectRetention),
	of(put, "retention", "PutObjectRetention", access.PutObjectRetention, putObjectRetention),
	of(get, "legal-hold", "GetObjectLegalHold", access.GetObjectLegalHold, getObjectLegalHold),
	of(put, "legal-hold", "PutObjectLegalHold", access.PutObjectLegalHold, putObjectLegalHold),
	of(post, "restore", "RestoreObject", access.RestoreObject, onObject(restoreObject)),
}

// preflightRoutes are those of browsers, who ask without credentials.
var preflightRoutes = []route{
	{name: "OptionsService", method: options, level: service, handle: preflight, public: true},
	{name: "OptionsBucket", method: options, level: bucket, handle: preflight, public: true},
	{name: "OptionsObject", method: options, level: object, handle: preflight, public: true},
}
