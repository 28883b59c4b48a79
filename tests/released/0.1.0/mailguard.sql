BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0003_create_ledger');
CREATE TABLE audit_entries (
	school TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	at TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	prev TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_entries PRIMARY KEY (school, seq)
);
INSERT INTO "audit_entries" VALUES('main',1,'2026-11-23T05:47:01.422710+00:00','mailguard','hold','01M83F31BSW0G84A3834FS6KHT','{"evidence_sha256":"a356b25a26bfd464a59f989d27e94af5751736aa6349a2529c8c908fb149f156","level":4,"queue_id":"06H0DSC5EPELBDE0","sha256":"35569913960c14f33e978c4c48da5c77b4ebdb354c14950d381e7ca4a4ff7762","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','0000000000000000000000000000000000000000000000000000000000000000','02cfc1e49764ce8bdb2273dcf5e191e20f777d041b0141677f88d7977577cb7c');
INSERT INTO "audit_entries" VALUES('main',2,'2026-11-23T05:47:01.556312+00:00','mailguard','hold','01M83F31GF7ZSM88512N4ACXNK','{"evidence_sha256":"23d6059439d0944fb946e19dc62adb3678bf429b462fb68e8fe8056ed1528fef","level":4,"queue_id":"06H0DSC60HOS7G69","sha256":"c706e104f3a184760e736eb1fb038089f33f49c3b312224cd09b4f45cb341302","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','02cfc1e49764ce8bdb2273dcf5e191e20f777d041b0141677f88d7977577cb7c','dcc809398a59cb6f58462694ff4640829dc18cb1ca01dbd95afbe02fa1cba1bc');
INSERT INTO "audit_entries" VALUES('main',3,'2026-11-23T05:47:01.650722+00:00','mailguard','hold','01M83F31KJF8DCPQDKYNK7SX9B','{"evidence_sha256":"98d114ec48f6809d5fb7f9f767f2b1b30e489e960b5928b9b14cbd54c5f1666f","level":4,"queue_id":"06H0DSC6CAVNSIH1","sha256":"72d8d96aa59cabfbc5ee15b5eb460c99b417d3b60aaf7c1839c9df9baaf76b52","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','dcc809398a59cb6f58462694ff4640829dc18cb1ca01dbd95afbe02fa1cba1bc','ee0fe9ff104545260a17fa8cf5459a41131dadc00b29b435892861f0a17d6c14');
INSERT INTO "audit_entries" VALUES('main',4,'2026-11-23T05:47:01.766870+00:00','mailguard','flag','01M83F31Q3R7MBA8ENVS4X2WG8','{"evidence_sha256":"dc3399c01cdff78822b55140fc6882924d92c21a86eb7b3093f98523c458922c","level":4,"queue_id":"06H0DSC6QFPN085P","sha256":"4b88482b182b01bd6ca97cf3223e8febbbc6f149d241c7fc8f9348d390c4760a","symbols":["SELF_HARM_IDEATION","SELF_HARM_INTENT"]}','ee0fe9ff104545260a17fa8cf5459a41131dadc00b29b435892861f0a17d6c14','63367e0ae08e445cdf131a9cc28e79c584ca97ffe977cad5c9fbfca2dace87e6');
INSERT INTO "audit_entries" VALUES('main',5,'2026-11-23T05:47:01.780368+00:00','mailguard','deliver','01M83F31Q3R7MBA8ENVS4X2WG8','{"level":4,"queue_id":"06H0DSC6QFPN085P","sha256":"4b88482b182b01bd6ca97cf3223e8febbbc6f149d241c7fc8f9348d390c4760a","symbols":["SELF_HARM_IDEATION","SELF_HARM_INTENT"]}','63367e0ae08e445cdf131a9cc28e79c584ca97ffe977cad5c9fbfca2dace87e6','f7c7111675ad5a4536a526d7c62a7d79df6f701725cd58d6b52beeef2eb65fe1');
INSERT INTO "audit_entries" VALUES('main',6,'2026-11-23T05:47:01.869842+00:00','mailguard','hold','01M83F31TCZZJPTTGNX87E1HDM','{"evidence_sha256":"ed96fcdabee27db45fe6a7d8c8bf25aa25f9e118fff73755877e1a0480ef3c4f","level":4,"queue_id":"06H0DSC780T8873F","sha256":"e22202a33580fefafb3d1d5de9bb34bc1d3e8addec1d8b0017c07d4042be5f52","symbols":["ABUSE_EXCLUSION","ABUSE_WISH_DEATH","SELF_HARM_ENCOURAGE"]}','f7c7111675ad5a4536a526d7c62a7d79df6f701725cd58d6b52beeef2eb65fe1','e6b6bf92c14dabfc99c51090b70856eea1f82700ff0b8d6e4002ad3b5690a5ad');
INSERT INTO "audit_entries" VALUES('main',7,'2026-11-23T05:47:01.899336+00:00','mailguard','deliver','01M83F31TCZZJPTTGNX87E1HDM','{"level":4,"queue_id":"06H0DSC780T8873F","sha256":"e22202a33580fefafb3d1d5de9bb34bc1d3e8addec1d8b0017c07d4042be5f52","symbols":["ABUSE_EXCLUSION","ABUSE_WISH_DEATH","SELF_HARM_ENCOURAGE"]}','e6b6bf92c14dabfc99c51090b70856eea1f82700ff0b8d6e4002ad3b5690a5ad','9e049af000382aa487222f44b8d1856e65c1147ff83d7c768ad21f559dd7d2be');
INSERT INTO "audit_entries" VALUES('main',8,'2026-11-23T05:47:01.923102+00:00','mailguard','take','01M83F31TCZZJPTTGNX87E1HDM','{"level":4,"queue_id":"06H0DSC780T8873F","sha256":"e22202a33580fefafb3d1d5de9bb34bc1d3e8addec1d8b0017c07d4042be5f52","symbols":["ABUSE_EXCLUSION","ABUSE_WISH_DEATH","SELF_HARM_ENCOURAGE"]}','9e049af000382aa487222f44b8d1856e65c1147ff83d7c768ad21f559dd7d2be','05e20ec3c08da189dbcd5077b8601af4c0d382684b75126613a5cb430fbf0396');
INSERT INTO "audit_entries" VALUES('main',9,'2026-11-23T05:47:09.262700+00:00','d.okafor','confirm','01M83F31BSW0G84A3834FS6KHT','{"level":4,"queue_id":"06H0DSC5EPELBDE0","reason":"a threat","recipients":["max@pupils.elmpark.example"],"sha256":"35569913960c14f33e978c4c48da5c77b4ebdb354c14950d381e7ca4a4ff7762","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','05e20ec3c08da189dbcd5077b8601af4c0d382684b75126613a5cb430fbf0396','6176e3dcea7e83a548f94dad257c0721da74857058d5df8ce8f232edf5d6abd8');
INSERT INTO "audit_entries" VALUES('main',10,'2026-11-23T05:47:14.774666+00:00','d.okafor','release','01M83F31GF7ZSM88512N4ACXNK','{"level":4,"queue_id":"06H0DSC60HOS7G69","reason":"a play","recipients":["max@pupils.elmpark.example"],"sha256":"c706e104f3a184760e736eb1fb038089f33f49c3b312224cd09b4f45cb341302","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','6176e3dcea7e83a548f94dad257c0721da74857058d5df8ce8f232edf5d6abd8','9dda679aa8eb44178fd7e960c53b7693b822bf9834b638a1e0e6d1db65920098');
INSERT INTO "audit_entries" VALUES('main',11,'2026-11-23T05:47:15.207606+00:00','mailguard','released','01M83F31GF7ZSM88512N4ACXNK','{"level":4,"queue_id":"06H0DSC60HOS7G69","sha256":"c706e104f3a184760e736eb1fb038089f33f49c3b312224cd09b4f45cb341302","symbols":["THREAT_HARM_INTENT","THREAT_TIME_OR_WEAPON"]}','9dda679aa8eb44178fd7e960c53b7693b822bf9834b638a1e0e6d1db65920098','c8e2b6f2c9d5090a307d5e2daa8a8cb87cd8243972139ad4378ecaa0f9306ef5');
CREATE TABLE audit_heads (
	school TEXT NOT NULL, 
	seq BIGINT NOT NULL, 
	hash TEXT NOT NULL, 
	CONSTRAINT pk_audit_heads PRIMARY KEY (school)
);
INSERT INTO "audit_heads" VALUES('main',11,'c8e2b6f2c9d5090a307d5e2daa8a8cb87cd8243972139ad4378ecaa0f9306ef5');
CREATE TABLE clocks (
	school TEXT NOT NULL, 
	seconds BIGINT NOT NULL, 
	boot TEXT NOT NULL, 
	uptime BIGINT NOT NULL, 
	CONSTRAINT pk_clocks PRIMARY KEY (school)
);
INSERT INTO "clocks" VALUES('main',0,'1a698ceb-daed-4856-bb29-46bc045c7649',13908);
CREATE TABLE held_messages (
	id TEXT NOT NULL, 
	school TEXT NOT NULL, 
	queue_id TEXT NOT NULL, 
	listener TEXT NOT NULL, 
	received DATETIME NOT NULL, 
	sender TEXT NOT NULL, 
	sender_argument BLOB NOT NULL, 
	level INTEGER NOT NULL, 
	categories JSON NOT NULL, 
	symbols JSON NOT NULL, 
	sealed BOOLEAN NOT NULL, 
	alert BOOLEAN NOT NULL, 
	sha256 TEXT NOT NULL, 
	size BIGINT NOT NULL, 
	ruleset TEXT NOT NULL, 
	folder TEXT NOT NULL, 
	dup_risk BOOLEAN NOT NULL, 
	exported BOOLEAN NOT NULL, 
	attempt_at DATETIME, 
	touched BIGINT NOT NULL, 
	CONSTRAINT pk_held_messages PRIMARY KEY (id)
);
INSERT INTO "held_messages" VALUES('01M83F31BSW0G84A3834FS6KHT','main','06H0DSC5EPELBDE0','mail','2026-11-23 05:47:01.368360','sam@pupils.elmpark.example',X'3C73616D40707570696C732E656C6D7061726B2E6578616D706C653E',4,'{"threat": 4}','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]',0,1,'35569913960c14f33e978c4c48da5c77b4ebdb354c14950d381e7ca4a4ff7762',323,'ea354d4475991271','2026/11/23/01M83F31BSW0G84A3834FS6KHT',0,0,NULL,0);
INSERT INTO "held_messages" VALUES('01M83F31GF7ZSM88512N4ACXNK','main','06H0DSC60HOS7G69','mail','2026-11-23 05:47:01.518779','sam@pupils.elmpark.example',X'3C73616D40707570696C732E656C6D7061726B2E6578616D706C653E',4,'{"threat": 4}','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]',0,1,'c706e104f3a184760e736eb1fb038089f33f49c3b312224cd09b4f45cb341302',324,'ea354d4475991271','2026/11/23/01M83F31GF7ZSM88512N4ACXNK',0,0,NULL,0);
INSERT INTO "held_messages" VALUES('01M83F31KJF8DCPQDKYNK7SX9B','main','06H0DSC6CAVNSIH1','mail','2026-11-23 05:47:01.617404','sam@pupils.elmpark.example',X'3C73616D40707570696C732E656C6D7061726B2E6578616D706C653E',4,'{"threat": 4}','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]',0,1,'72d8d96aa59cabfbc5ee15b5eb460c99b417d3b60aaf7c1839c9df9baaf76b52',323,'ea354d4475991271','2026/11/23/01M83F31KJF8DCPQDKYNK7SX9B',0,0,NULL,0);
INSERT INTO "held_messages" VALUES('01M83F31Q3R7MBA8ENVS4X2WG8','main','06H0DSC6QFPN085P','mail','2026-11-23 05:47:01.730864','sam@pupils.elmpark.example',X'3C73616D40707570696C732E656C6D7061726B2E6578616D706C653E',4,'{"self_harm": 4}','["SELF_HARM_IDEATION", "SELF_HARM_INTENT"]',0,1,'4b88482b182b01bd6ca97cf3223e8febbbc6f149d241c7fc8f9348d390c4760a',323,'ea354d4475991271','2026/11/23/01M83F31Q3R7MBA8ENVS4X2WG8',0,0,NULL,0);
INSERT INTO "held_messages" VALUES('01M83F31TCZZJPTTGNX87E1HDM','main','06H0DSC780T8873F','mail','2026-11-23 05:47:01.834809','sam@pupils.elmpark.example',X'3C73616D40707570696C732E656C6D7061726B2E6578616D706C653E',4,'{"self_harm": 4, "abuse": 3}','["ABUSE_EXCLUSION", "ABUSE_WISH_DEATH", "SELF_HARM_ENCOURAGE"]',0,1,'e22202a33580fefafb3d1d5de9bb34bc1d3e8addec1d8b0017c07d4042be5f52',326,'ea354d4475991271','2026/11/23/01M83F31TCZZJPTTGNX87E1HDM',0,0,NULL,0);
CREATE TABLE held_recipients (
	held_id TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	school TEXT NOT NULL, 
	address TEXT NOT NULL, 
	argument BLOB NOT NULL, 
	relationship TEXT NOT NULL, 
	state TEXT NOT NULL, 
	reply TEXT NOT NULL, 
	decided_by TEXT, 
	decided_at DATETIME, 
	reason TEXT, 
	CONSTRAINT pk_held_recipients PRIMARY KEY (held_id, position), 
	CONSTRAINT fk_held_recipients_held_id FOREIGN KEY(held_id) REFERENCES held_messages (id) ON DELETE CASCADE
);
INSERT INTO "held_recipients" VALUES('01M83F31BSW0G84A3834FS6KHT',0,'main','max@pupils.elmpark.example',X'3C6D617840707570696C732E656C6D7061726B2E6578616D706C653E','pupil→pupil','confirmed','','d.okafor','2026-11-23 05:47:09.262700','a threat');
INSERT INTO "held_recipients" VALUES('01M83F31GF7ZSM88512N4ACXNK',0,'main','max@pupils.elmpark.example',X'3C6D617840707570696C732E656C6D7061726B2E6578616D706C653E','pupil→pupil','released','250 2.0.0 Ok: delivered as 1795412835.203054.14529_4.localhost','d.okafor','2026-11-23 05:47:14.774666','a play');
INSERT INTO "held_recipients" VALUES('01M83F31KJF8DCPQDKYNK7SX9B',0,'main','max@pupils.elmpark.example',X'3C6D617840707570696C732E656C6D7061726B2E6578616D706C653E','pupil→pupil','held','',NULL,NULL,NULL);
INSERT INTO "held_recipients" VALUES('01M83F31Q3R7MBA8ENVS4X2WG8',0,'main','khan@elmpark.example',X'3C6B68616E40656C6D7061726B2E6578616D706C653E','pupil→staff','delivered','',NULL,NULL,NULL);
INSERT INTO "held_recipients" VALUES('01M83F31TCZZJPTTGNX87E1HDM',0,'main','max@pupils.elmpark.example',X'3C6D617840707570696C732E656C6D7061726B2E6578616D706C653E','pupil→pupil','held','',NULL,NULL,NULL);
INSERT INTO "held_recipients" VALUES('01M83F31TCZZJPTTGNX87E1HDM',1,'main','khan@elmpark.example',X'3C6B68616E40656C6D7061726B2E6578616D706C653E','pupil→staff','delivered','',NULL,NULL,NULL);
CREATE TABLE ledger_rows (
	id INTEGER NOT NULL, 
	school TEXT NOT NULL, 
	queue_id TEXT NOT NULL, 
	received DATETIME NOT NULL, 
	listener TEXT NOT NULL, 
	sender TEXT NOT NULL, 
	recipients JSON NOT NULL, 
	relationship TEXT NOT NULL, 
	level INTEGER NOT NULL, 
	categories JSON NOT NULL, 
	symbols JSON NOT NULL, 
	disposition TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	unscanned JSON NOT NULL, 
	size BIGINT NOT NULL, 
	ms INTEGER NOT NULL, 
	written BIGINT NOT NULL, 
	CONSTRAINT pk_ledger_rows PRIMARY KEY (id)
);
INSERT INTO "ledger_rows" VALUES(1,'main','06H0DSC5EPELBDE0','2026-11-23 05:47:01.368360','mail','sam@pupils.elmpark.example','["max@pupils.elmpark.example"]','pupil→pupil',4,'["threat"]','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]','hold','held','[]',323,2,0);
INSERT INTO "ledger_rows" VALUES(2,'main','06H0DSC60HOS7G69','2026-11-23 05:47:01.518779','mail','sam@pupils.elmpark.example','["max@pupils.elmpark.example"]','pupil→pupil',4,'["threat"]','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]','hold','held','[]',324,1,0);
INSERT INTO "ledger_rows" VALUES(3,'main','06H0DSC6CAVNSIH1','2026-11-23 05:47:01.617404','mail','sam@pupils.elmpark.example','["max@pupils.elmpark.example"]','pupil→pupil',4,'["threat"]','["THREAT_HARM_INTENT", "THREAT_TIME_OR_WEAPON"]','hold','held','[]',323,1,0);
INSERT INTO "ledger_rows" VALUES(4,'main','06H0DSC6KC2CRA4L','2026-11-23 05:47:01.669743','mail','khan@elmpark.example','["sam@pupils.elmpark.example"]','staff→pupil',0,'[]','[]','relay','relayed','[]',284,1,0);
INSERT INTO "ledger_rows" VALUES(5,'main','06H0DSC6QFPN085P','2026-11-23 05:47:01.730864','mail','sam@pupils.elmpark.example','["khan@elmpark.example"]','pupil→staff',4,'["self_harm"]','["SELF_HARM_IDEATION", "SELF_HARM_INTENT"]','flag','relayed','[]',323,1,0);
INSERT INTO "ledger_rows" VALUES(6,'main','06H0DSC780T8873F','2026-11-23 05:47:01.834809','mail','sam@pupils.elmpark.example','["max@pupils.elmpark.example", "khan@elmpark.example"]','pupil→pupil',4,'["self_harm", "abuse"]','["ABUSE_EXCLUSION", "ABUSE_WISH_DEATH", "SELF_HARM_ENCOURAGE"]','hold','held','[]',326,1,0);
CREATE INDEX ix_held_messages_school_id ON held_messages (school, id);
CREATE INDEX ix_held_messages_school_received ON held_messages (school, received);
CREATE INDEX ix_held_recipients_school_state_held_id ON held_recipients (school, state, held_id);
CREATE INDEX ix_audit_entries_school_subject ON audit_entries (school, subject);
CREATE TRIGGER audit_entries_no_update BEFORE update ON audit_entries BEGIN SELECT RAISE(ABORT, 'audit entries are never changed or deleted'); END;
CREATE TRIGGER audit_entries_no_delete BEFORE delete ON audit_entries BEGIN SELECT RAISE(ABORT, 'audit entries are never changed or deleted'); END;
CREATE INDEX ix_ledger_rows_school_received ON ledger_rows (school, received);
CREATE INDEX ix_ledger_rows_school_written ON ledger_rows (school, written);
COMMIT;
