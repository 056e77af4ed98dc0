#include "base/secret.h"

#include <openssl/crypto.h>

namespace slipway::base {

Secret::~Secret() { OPENSSL_cleanse(value_.data(), value_.size()); }

}  // namespace slipway::base
