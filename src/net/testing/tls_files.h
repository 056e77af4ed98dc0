#pragma once
// A certificate for localhost, made for one test and removed after it.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "net/server.h"

namespace slipway::net::testing {

class TemporaryTls {
 public:
  TemporaryTls() {
    const auto base = std::filesystem::temp_directory_path() / ("slipway-tls-" + std::to_string(::getpid()));
    files_ = {base.string() + ".crt", base.string() + ".key"};
    const std::string command =
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout " +
        files_.private_key + " -out " + files_.certificate_chain + " >/dev/null 2>&1";
    EXPECT_EQ(std::system(command.c_str()), 0) << "the openssl program is needed";
  }
  ~TemporaryTls() {
    std::filesystem::remove(files_.certificate_chain);
    std::filesystem::remove(files_.private_key);
  }
  TemporaryTls(const TemporaryTls&) = delete;
  TemporaryTls& operator=(const TemporaryTls&) = delete;

  const TlsFiles& files() const { return files_; }

 private:
  TlsFiles files_;
};

}  // namespace slipway::net::testing
