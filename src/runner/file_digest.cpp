#include "runner/file_digest.h"

#include <fcntl.h>
#include <openssl/evp.h>

#include <array>
#include <cerrno>
#include <memory>

#include "base/digest.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace slipway::runner {

std::string file_sha256_hex(const std::string& path) {
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) throw base::system_error("opening " + path, errno);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  SLIPWAY_ASSERT(context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1);
  std::array<char, 64 << 10> piece;
  for (;;) {
    const auto count = ::read(file.get(), piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw base::system_error("reading " + path, errno);
    if (count == 0) break;
    SLIPWAY_ASSERT(EVP_DigestUpdate(context.get(), piece.data(), std::size_t(count)) == 1);
  }
  std::string digest(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  SLIPWAY_ASSERT(EVP_DigestFinal_ex(context.get(), reinterpret_cast<unsigned char*>(digest.data()), &size) == 1);
  return base::hex(std::string_view(digest).substr(0, size));
}

}  // namespace slipway::runner
