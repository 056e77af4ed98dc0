#pragma once
// Sealing of secrets at rest, under one key that lives in a file beside the data and in no database or backup of it.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "durable/payload.h"

namespace slipway::fleet {

// Thread-safe. libsodium's secretbox (XSalsa20-Poly1305) with a random nonce for each text.
class Sealer final : public durable::Sealer {
 public:
  // Reads the key file, or makes it with mode 0600. Throws when it is readable by others or not a key.
  static Sealer open(const std::filesystem::path& key_file);
  explicit Sealer(base::Secret key);  // 32 bytes

  std::string seal(const base::Secret& text) const override;
  // Throws INTERNAL_ERROR when the text was changed or sealed under another key.
  base::Secret unseal(const std::string& sealed) const override;
  // A secret that only this key's holder can make, always the same for the same purpose: nothing to store.
  base::Secret derive(std::string_view purpose) const;

 private:
  base::Secret key_;
};

}  // namespace slipway::fleet
