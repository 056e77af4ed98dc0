#include "fleet/sealer.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/digest.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::fleet {
namespace {

const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

void write_new_key(const std::filesystem::path& file) {
  std::string key(crypto_secretbox_KEYBYTES, '\0');
  randombytes_buf(key.data(), key.size());
  const std::string text = base::base64url(key) + "\n";
  // Whole or not at all: another start may be reading.
  const std::string draft = file.string() + ".new";
  ::unlink(draft.c_str());
  base::UniqueFd fd(::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != ssize_t(text.size()) || ::fsync(fd.get()) != 0)
    throw base::system_error("making the key file " + draft, errno);
  if (::link(draft.c_str(), file.c_str()) != 0 && errno != EEXIST)
    throw base::system_error("making the key file " + file.string(), errno);
  ::unlink(draft.c_str());
}

}  // namespace

Sealer::Sealer(base::Secret key) : key_(std::move(key)) {
  SLIPWAY_ASSERT(sodium_init() >= 0);
  SLIPWAY_ASSERT(key_.reveal().size() == crypto_secretbox_KEYBYTES);
}

Sealer Sealer::open(const std::filesystem::path& key_file) {
  SLIPWAY_ASSERT(sodium_init() >= 0);
  if (!std::filesystem::exists(key_file)) write_new_key(key_file);
  base::UniqueFd fd(::open(key_file.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info{};
  if (!fd || ::fstat(fd.get(), &info) != 0) throw base::system_error("reading " + key_file.string(), errno);
  if ((info.st_mode & 077) != 0)
    throw base::Error(base::ErrorClass::user, "INSECURE_KEY_FILE",
                      key_file.string() + " can be read by others; run: chmod 600 " + key_file.string());
  std::string text(128, '\0');
  const auto size = ::read(fd.get(), text.data(), text.size());
  if (size < 0) throw base::system_error("reading " + key_file.string(), errno);
  text.resize(std::size_t(size));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  auto key = base::from_base64url(text);
  if (!key || key->size() != crypto_secretbox_KEYBYTES)
    throw base::Error(base::ErrorClass::user, "INVALID_KEY_FILE", key_file.string() + " is not a sealing key");
  return Sealer(base::Secret(*std::move(key)));
}

std::string Sealer::seal(const base::Secret& text) const {
  std::string nonce(crypto_secretbox_NONCEBYTES, '\0');
  randombytes_buf(nonce.data(), nonce.size());
  std::string box(text.reveal().size() + crypto_secretbox_MACBYTES, '\0');
  crypto_secretbox_easy(bytes(box), bytes(text.reveal()), text.reveal().size(), bytes(nonce), bytes(key_.reveal()));
  return base::base64url(nonce + box);
}

base::Secret Sealer::unseal(const std::string& sealed) const {
  const auto raw = base::from_base64url(sealed);
  constexpr std::size_t kOverhead = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES;
  std::string text(raw && raw->size() >= kOverhead ? raw->size() - kOverhead : 0, '\0');
  if (!raw || raw->size() < kOverhead ||
      crypto_secretbox_open_easy(bytes(text), bytes(*raw) + crypto_secretbox_NONCEBYTES,
                                 raw->size() - crypto_secretbox_NONCEBYTES, bytes(*raw), bytes(key_.reveal())) != 0)
    throw base::internal_error("a sealed value cannot be opened: it was changed, or sealed under another key");
  return base::Secret(std::move(text));
}

base::Secret Sealer::derive(std::string_view purpose) const {
  std::string digest(crypto_generichash_BYTES, '\0');
  crypto_generichash(bytes(digest), digest.size(), reinterpret_cast<const unsigned char*>(purpose.data()),
                     purpose.size(), bytes(key_.reveal()), key_.reveal().size());
  return base::Secret(base::base64url(digest));
}

}  // namespace slipway::fleet
