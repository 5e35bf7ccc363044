package access

// Action is what somebody wants to do, by the name that bucket policies use for it (Service Authorization Reference,
// "Actions, resources, and condition keys for Amazon S3"), or by a name of ours in the same form.
type Action string

// Of the account: these name no bucket, or one that does not exist yet.
const (
	CreateBucket     Action = "s3:CreateBucket"
	ListAllMyBuckets Action = "s3:ListAllMyBuckets"
)

// Of the bucket.
const (
	ListBucket                         Action = "s3:ListBucket"
	ListBucketVersions                 Action = "s3:ListBucketVersions"
	ListBucketMultipartUploads         Action = "s3:ListBucketMultipartUploads"
	GetBucketLocation                  Action = "s3:GetBucketLocation"
	DeleteBucket                       Action = "s3:DeleteBucket"
	GetBucketAcl                       Action = "s3:GetBucketAcl"
	PutBucketAcl                       Action = "s3:PutBucketAcl"
	GetBucketPolicy                    Action = "s3:GetBucketPolicy"
	PutBucketPolicy                    Action = "s3:PutBucketPolicy"
	DeleteBucketPolicy                 Action = "s3:DeleteBucketPolicy"
	GetBucketPolicyStatus              Action = "s3:GetBucketPolicyStatus"
	GetBucketPublicAccessBlock         Action = "s3:GetBucketPublicAccessBlock"
	PutBucketPublicAccessBlock         Action = "s3:PutBucketPublicAccessBlock"
	GetBucketOwnershipControls         Action = "s3:GetBucketOwnershipControls"
	PutBucketOwnershipControls         Action = "s3:PutBucketOwnershipControls"
	GetBucketCORS                      Action = "s3:GetBucketCORS"
	PutBucketCORS                      Action = "s3:PutBucketCORS"
	GetBucketWebsite                   Action = "s3:GetBucketWebsite"
	PutBucketWebsite                   Action = "s3:PutBucketWebsite"
	DeleteBucketWebsite                Action = "s3:DeleteBucketWebsite"
	GetBucketVersioning                Action = "s3:GetBucketVersioning"
	PutBucketVersioning                Action = "s3:PutBucketVersioning"
	GetBucketObjectLockConfiguration   Action = "s3:GetBucketObjectLockConfiguration"
	PutBucketObjectLockConfiguration   Action = "s3:PutBucketObjectLockConfiguration"
	GetLifecycleConfiguration          Action = "s3:GetLifecycleConfiguration"
	PutLifecycleConfiguration          Action = "s3:PutLifecycleConfiguration"
	GetBucketTagging                   Action = "s3:GetBucketTagging"
	PutBucketTagging                   Action = "s3:PutBucketTagging"
	GetEncryptionConfiguration         Action = "s3:GetEncryptionConfiguration"
	PutEncryptionConfiguration         Action = "s3:PutEncryptionConfiguration"
	GetBucketNotification              Action = "s3:GetBucketNotification"
	PutBucketNotification              Action = "s3:PutBucketNotification"
	GetBucketLogging                   Action = "s3:GetBucketLogging"
	PutBucketLogging                   Action = "s3:PutBucketLogging"
	GetBucketRequestPayment            Action = "s3:GetBucketRequestPayment"
	PutBucketRequestPayment            Action = "s3:PutBucketRequestPayment"
	GetReplicationConfiguration        Action = "s3:GetReplicationConfiguration"
	PutReplicationConfiguration        Action = "s3:PutReplicationConfiguration"
	GetAccelerateConfiguration         Action = "s3:GetAccelerateConfiguration"
	PutAccelerateConfiguration         Action = "s3:PutAccelerateConfiguration"
	GetAnalyticsConfiguration          Action = "s3:GetAnalyticsConfiguration"
	PutAnalyticsConfiguration          Action = "s3:PutAnalyticsConfiguration"
	GetIntelligentTieringConfiguration Action = "s3:GetIntelligentTieringConfiguration"
	PutIntelligentTieringConfiguration Action = "s3:PutIntelligentTieringConfiguration"
	GetInventoryConfiguration          Action = "s3:GetInventoryConfiguration"
	PutInventoryConfiguration          Action = "s3:PutInventoryConfiguration"
	GetMetricsConfiguration            Action = "s3:GetMetricsConfiguration"
	PutMetricsConfiguration            Action = "s3:PutMetricsConfiguration"
)

// Of objects and their versions.
const (
	GetObject                        Action = "s3:GetObject"
	GetObjectVersion                 Action = "s3:GetObjectVersion"
	GetObjectAttributes              Action = "s3:GetObjectAttributes"
	GetObjectVersionAttributes       Action = "s3:GetObjectVersionAttributes"
	GetObjectTagging                 Action = "s3:GetObjectTagging"
	GetObjectVersionTagging          Action = "s3:GetObjectVersionTagging"
	GetObjectAcl                     Action = "s3:GetObjectAcl"
	GetObjectVersionAcl              Action = "s3:GetObjectVersionAcl"
	GetObjectRetention               Action = "s3:GetObjectRetention"
	GetObjectLegalHold               Action = "s3:GetObjectLegalHold"
	GetObjectTorrent                 Action = "s3:GetObjectTorrent"
	GetObjectVersionTorrent          Action = "s3:GetObjectVersionTorrent"
	GetObjectVersionForReplication   Action = "s3:GetObjectVersionForReplication"
	PutObject                        Action = "s3:PutObject"
	PutObjectTagging                 Action = "s3:PutObjectTagging"
	PutObjectVersionTagging          Action = "s3:PutObjectVersionTagging"
	DeleteObject                     Action = "s3:DeleteObject"
	DeleteObjectVersion              Action = "s3:DeleteObjectVersion"
	DeleteObjectTagging              Action = "s3:DeleteObjectTagging"
	DeleteObjectVersionTagging       Action = "s3:DeleteObjectVersionTagging"
	PutObjectAcl                     Action = "s3:PutObjectAcl"
	PutObjectVersionAcl              Action = "s3:PutObjectVersionAcl"
	PutObjectRetention               Action = "s3:PutObjectRetention"
	PutObjectLegalHold               Action = "s3:PutObjectLegalHold"
	BypassGovernanceRetention        Action = "s3:BypassGovernanceRetention"
	ObjectOwnerOverrideToBucketOwner Action = "s3:ObjectOwnerOverrideToBucketOwner"
	RestoreObject                    Action = "s3:RestoreObject"
	ReplicateObject                  Action = "s3:ReplicateObject"
	ReplicateDelete                  Action = "s3:ReplicateDelete"
	ReplicateTags                    Action = "s3:ReplicateTags"
	AbortMultipartUpload             Action = "s3:AbortMultipartUpload"
	ListMultipartUploadParts         Action = "s3:ListMultipartUploadParts"
)

// Of the key-value API.
const (
	K2VRead  Action = "k2v:ReadItem"
	K2VList  Action = "k2v:ReadIndex"
	K2VWrite Action = "k2v:WriteItem"
)

// Of the web face, where a bucket with a website document is public.
const (
	WebGetObject Action = "web:GetObject"
)

// Of the admin API and the console.
const (
	AdminReadHealth     Action = "admin:ReadHealth"
	AdminReadMetrics    Action = "admin:ReadMetrics"
	AdminReadCluster    Action = "admin:ReadCluster"
	AdminManageNodes    Action = "admin:ManageNodes"
	AdminManageLayout   Action = "admin:ManageLayout"
	AdminManageGroups   Action = "admin:ManageGroups"
	AdminReadAccounts   Action = "admin:ReadAccounts"
	AdminManageAccounts Action = "admin:ManageAccounts"
	AdminReadKeys       Action = "admin:ReadKeys"
	AdminReadSecrets    Action = "admin:ReadSecrets"
	AdminManageKeys     Action = "admin:ManageKeys"
	AdminReadBuckets    Action = "admin:ReadBuckets"
	AdminManageBuckets  Action = "admin:ManageBuckets"
	AdminReadWorkers    Action = "admin:ReadWorkers"
	AdminManageWorkers  Action = "admin:ManageWorkers"
	AdminReadSettings   Action = "admin:ReadSettings"
	AdminManageSettings Action = "admin:ManageSettings"
)
