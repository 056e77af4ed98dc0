#include "fleet/blob.h"

#include "base/digest.h"
#include "fleet/testing/template_world.h"

namespace slipway::fleet {
namespace {

using testing::kNow;
using namespace std::chrono_literals;

class Blobs : public testing::TemplateWorld {
 protected:
  std::string put(const std::string& content, Instant now = kNow) {
    const auto hash = base::sha256_hex(content);
    write([&](Transaction& tx) { put_blob(tx, hash, content, now); });
    return hash;
  }
  std::optional<std::string> get(const std::string& hash) {
    std::optional<std::string> content;
    read([&](Transaction& tx) { content = find_blob(tx, hash); });
    return content;
  }
  std::int64_t remove_before(Instant before) {
    std::int64_t removed = 0;
    write([&](Transaction& tx) { removed = remove_unused_blobs(tx, before); });
    return removed;
  }
  std::int64_t pieces() {
    std::int64_t count = 0;
    read([&](Transaction& tx) { count = tx.query("SELECT COUNT(*) FROM blob_pieces").front().integer(0); });
    return count;
  }
};
INSTANTIATE_TEST_SUITE_P(On, Blobs, testing::kBothDatabases, testing::database_name);

// RUN-2: no message-size ceiling; any bytes.
TEST_P(Blobs, AreReadAsTheyWereWrittenHoweverLarge) {
  std::string large(3'000'000, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = char(i * 31 + i / 251);
  EXPECT_EQ(get(put(large)), large);
  EXPECT_EQ(get(put("")), "");
  EXPECT_EQ(get(base::sha256_hex("nobody wrote this")), std::nullopt);
}

TEST_P(Blobs, AreWrittenOnceUnderTheirOwnHash) {
  put("one");
  put("one");
  EXPECT_EQ(pieces(), 1);
  const auto error = refusal_of([](Transaction& tx) { put_blob(tx, base::sha256_hex("one"), "another", kNow); });
  EXPECT_EQ(error.code(), "VALIDATION_ERROR");
}

TEST_P(Blobs, GoWhenNoVersionUsesThemAndNobodyHasHeldThemLately) {
  const auto used = put("used"), unused = put("unused"), held = put("held"), put_again = put("again");
  write([&](Transaction& tx) {
    Template subject{.id = TemplateId("tpl_1"), .name = "t", .owner_id = testing::kBob, .created_at = kNow};
    insert_template(tx, subject);
    TemplateVersion version{.id = TemplateVersionId("tpv_1"),
                            .template_id = subject.id,
                            .archive = used,
                            .provisioner = "scripted",
                            .created_by = testing::kBob,
                            .created_at = kNow};
    insert_version(tx, sealer_, version, {});
    EXPECT_TRUE(hold_blob(tx, held, kNow + 2h));
  });
  put("again", kNow + 2h);
  EXPECT_EQ(remove_before(kNow + 1h), 1);
  EXPECT_EQ(get(unused), std::nullopt);
  for (const auto& hash : {used, held, put_again}) EXPECT_TRUE(get(hash));
  EXPECT_EQ(pieces(), 3);
  EXPECT_EQ(get(put("unused")), "unused");
}

TEST(BlobHash, IsSixtyFourLowerCaseHexDigits) {
  EXPECT_TRUE(is_blob_hash(base::sha256_hex("x")));
  EXPECT_FALSE(is_blob_hash(""));
  EXPECT_FALSE(is_blob_hash(std::string(64, 'G')));
  EXPECT_FALSE(is_blob_hash(std::string(64, 'A')));
}

}  // namespace
}  // namespace slipway::fleet
