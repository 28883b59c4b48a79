-- Four messages over one connection, for miltertest: deliver, hold one recipient, deliver without
-- the key of a release, refuse.
local function fail(what) error(what, 2) end

local conn = mt.connect("inet:" .. port .. "@127.0.0.1", 40, 0.05)
if conn == nil then fail("connect") end
if mt.negotiate(conn, nil, nil, nil) ~= nil then fail("negotiate") end
if not mt.test_action(conn, SMFIF_DELRCPT) then fail("DELRCPT was not asked for") end
if not mt.test_action(conn, SMFIF_CHGHDRS) then fail("CHGHDRS was not asked for") end
if mt.test_action(conn, SMFIF_CHGBODY) then fail("CHGBODY was asked for") end

local function message(to)
  if mt.macro(conn, SMFIC_MAIL, "i", "4F5XYZ") ~= nil then fail("macro") end
  if mt.mailfrom(conn, "<ana@elmpark.example>", "SIZE=100") ~= nil then fail("mailfrom") end
  for _, path in ipairs(to) do
    if mt.rcptto(conn, path) ~= nil then fail("rcptto") end
  end
  if mt.header(conn, "Subject", "Two  spaces") ~= nil then fail("header") end
  if mt.header(conn, "X-Folded", "one\n\ttwo") ~= nil then fail("header") end
  if mt.eoh(conn) ~= nil then fail("eoh") end
  if mt.bodystring(conn, "first line\r\n") ~= nil then fail("body") end
  if mt.bodystring(conn, "second line\r\n") ~= nil then fail("body") end
  if mt.eom(conn) ~= nil then fail("eom") end
end

if mt.conninfo(conn, "client.example", "192.0.2.7") ~= nil then fail("conninfo") end
if mt.helo(conn, "client.example") ~= nil then fail("helo") end

message({ "<ben@elmpark.example>" })
if mt.getreply(conn) ~= SMFIR_ACCEPT then fail("not accepted") end

message({ "<max@elmpark.example>", "<ben@elmpark.example>" })
if not mt.eom_check(conn, MT_RCPTDELETE, "<max@elmpark.example>") then fail("not deleted") end
if mt.eom_check(conn, MT_RCPTDELETE, "<ben@elmpark.example>") then fail("the other deleted") end
if mt.getreply(conn) ~= SMFIR_ACCEPT then fail("not accepted") end

message({ "<kim@elmpark.example>" })
if not mt.eom_check(conn, MT_HDRDELETE, "X-MailGuard-Release") then fail("key not removed") end
if mt.getreply(conn) ~= SMFIR_ACCEPT then fail("not accepted") end

message({ "<ivy@elmpark.example>" })
if mt.getreply(conn) ~= SMFIR_REPLYCODE then fail("not refused") end

mt.disconnect(conn)
