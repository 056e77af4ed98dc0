// WF-45: where users may send us, and where not.

#include "net/address_guard.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "net/url.h"

namespace slipway::net {
namespace {

Address address(const char* text) { return boost::asio::ip::make_address(text); }

const char* const kPublic[] = {
    "8.8.8.8",       "1.1.1.1",        "100.63.255.255",   "100.128.0.1",      "172.15.0.1",      "172.32.0.1",
    "192.0.1.1",     "198.17.0.1",     "198.20.0.1",       "223.255.255.255",  "2606:4700::1111", "2a00:1450::1",
    "2001:4860::88", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::101:101",
};
const char* const kInside[] = {
    "127.0.0.1",       "127.255.255.255",   "10.0.0.1",
    "172.16.0.1",      "172.31.255.255",    "192.168.1.1",
    "100.64.0.1",      "100.127.255.255",   "::1",
    "fc00::1",         "fd12:3456::1",      "::ffff:127.0.0.1",
    "::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::7f00:1",
};
const char* const kNever[] = {
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "168.63.129.16",
    "100.100.100.200",
    "169.254.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%1",
    "febf::1",
    "fec0::1",
    "ff02::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "fd00:ec2::254",
    "::127.0.0.1",
    "::ffff:0:0",
    "100::1",
    "64:ff9b:1::1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "4000::1",
};

TEST(AddressGuard, LetsOnlyTheInternetBeReached) {
  const AddressGuard guard;
  for (const auto* text : kPublic) EXPECT_TRUE(guard.permits(address(text))) << text;
  for (const auto* text : kInside) EXPECT_FALSE(guard.permits(address(text))) << text;
  for (const auto* text : kNever) EXPECT_FALSE(guard.permits(address(text))) << text;
}

TEST(AddressGuard, PrivateAddressesAreReachableWhereAllowedButMetadataNever) {
  const AddressGuard guard(Reach::with_private);
  for (const auto* text : kPublic) EXPECT_TRUE(guard.permits(address(text))) << text;
  for (const auto* text : kInside) EXPECT_TRUE(guard.permits(address(text))) << text;
  for (const auto* text : kNever) EXPECT_FALSE(guard.permits(address(text))) << text;
}

TEST(AddressGuard, SomeNetworksCanBeAllowed) {
  const AddressGuard guard(Reach::public_only, {"10.1.0.0/16", "192.168.7.7", "fd00:1::/32", "::1"});
  for (const auto* text : {"10.1.2.3", "192.168.7.7", "fd00:1::5", "::1", "::ffff:10.1.2.3", "8.8.8.8"})
    EXPECT_TRUE(guard.permits(address(text))) << text;
  for (const auto* text : {"10.2.0.1", "192.168.7.8", "fd00:2::5", "127.0.0.1"})
    EXPECT_FALSE(guard.permits(address(text))) << text;
  for (const char* text : {"10.1.0.0/33", "office", "", "10.1", "fd00::/200"})
    EXPECT_THROW(AddressGuard(Reach::public_only, {text}), base::Error) << text;
}

// Every spelling of an address is that address: what the client would connect to is what is judged.
TEST(Url, LiteralAddressesAreKnownInEverySpelling) {
  const AddressGuard guard(Reach::public_only);
  for (const char* host :
       {"127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.0.0.1.", "0",
        "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[fe80::1%25eth0]", "169.254.169.254",
        "0xa9fea9fe", "2852039166", "[64:ff9b::7f00:1]", "%31%32%37.0.0.1"}) {
    const auto url = parse_url("http://" + std::string(host) + "/hook");
    if (!url) continue;  // the client would not take it either
    const auto literal = url->address();
    EXPECT_TRUE(!literal || !guard.permits(*literal)) << host;
    if (host[0] != '[' && std::string_view(host) != "127.0.0.1.") EXPECT_TRUE(literal) << host << " → " << url->host;
  }
}

TEST(Url, IsReadAsTheClientReadsIt) {
  const auto url = parse_url("HTTPS://Example.COM:8443/a?b#c");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->scheme, "https");
  EXPECT_EQ(url->host, "example.com");
  EXPECT_EQ(url->port, 8443);
  EXPECT_TRUE(url->has_fragment);
  EXPECT_FALSE(url->has_user);
  EXPECT_TRUE(parse_url("http://user:secret@example.com/")->has_user);
  EXPECT_EQ(parse_url("http://example.com/")->port, 80);
  for (const char* text : {"", "example.com", "//example.com", "http://", "http://a@127.0.0.1@example.com/",
                           "http://a b/", "http://x\n/", "http://example.com:99999/", "http://[::1/"})
    EXPECT_FALSE(parse_url(text)) << text;
}

}  // namespace
}  // namespace slipway::net
