#include "fleet/blob.h"

#include <algorithm>
#include <vector>

#include "base/digest.h"
#include "base/error.h"

namespace slipway::fleet {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;  // before base 64
constexpr std::size_t kHashDigits = 64;

void write_pieces(store::Transaction& tx, const std::string& hash, std::string_view content) {
  for (std::size_t at = 0, number = 0; at < content.size(); at += kPieceBytes, ++number)
    tx.execute("INSERT INTO blob_pieces (hash, number, data) VALUES ($1, $2, $3) ON CONFLICT (hash, number) DO NOTHING",
               {hash, std::int64_t(number), base::base64(content.substr(at, kPieceBytes))});
}

}  // namespace

bool is_blob_hash(std::string_view text) {
  return text.size() == kHashDigits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

void put_blob(store::Transaction& tx, const std::string& hash, std::string_view content, base::Instant now) {
  if (content.size() > kBlobMax)
    throw base::Error(
        base::ErrorClass::user, "BLOB_TOO_LARGE",
        "it has " + std::to_string(content.size()) + " bytes; at most " + std::to_string(kBlobMax) + " are kept");
  if (base::sha256_hex(content) != hash)
    throw base::validation_error("hash", "is not the SHA-256 of what was sent, in lower-case hex digits");
  if (hold_blob(tx, hash, now)) return;
  tx.execute("INSERT INTO blobs (hash, size, created_at) VALUES ($1, $2, $3) ON CONFLICT (hash) DO NOTHING",
             {hash, std::int64_t(content.size()), now});
  write_pieces(tx, hash, content);
}

std::optional<std::string> find_blob(store::Transaction& tx, const std::string& hash) {
  const auto found = tx.query("SELECT size FROM blobs WHERE hash = $1", {hash});
  if (found.empty()) return std::nullopt;
  const auto size = std::size_t(found.front().integer(0));
  std::string content;
  content.reserve(size);
  for (const auto& row : tx.query("SELECT data FROM blob_pieces WHERE hash = $1 ORDER BY number", {hash})) {
    const auto piece = base::from_base64(row.text(0));
    if (!piece) throw base::internal_error("a piece of blob " + hash + " is no base 64");
    content += *piece;
  }
  if (content.size() != size) throw base::internal_error("blob " + hash + " is not whole");
  return content;
}

bool hold_blob(store::Transaction& tx, const std::string& hash, base::Instant now) {
  return tx.execute("UPDATE blobs SET created_at = $2 WHERE hash = $1", {hash, now}) > 0;
}

std::int64_t remove_unused_blobs(store::Transaction& tx, base::Instant before) {
  // The age is asked for again when a row is removed: somebody may have held it meanwhile.
  const auto removed = tx.query(
      "DELETE FROM blobs WHERE created_at < $1 AND hash IN (SELECT b.hash FROM blobs b WHERE b.created_at < $1 "
      "AND NOT EXISTS (SELECT 1 FROM template_versions v WHERE v.archive = b.hash) ORDER BY b.created_at LIMIT $2) "
      "RETURNING hash",
      {before, kBlobsRemovedAtOnce});
  for (const auto& row : removed) tx.execute("DELETE FROM blob_pieces WHERE hash = $1", {row.text(0)});
  return std::int64_t(removed.size());
}

}  // namespace slipway::fleet
