// Every back end against published vectors. The leaf interface knows WireGuard's nonces only (4 zero bytes | counter)
// and no AAD, and no published vector has both: so libsodium, in full, is checked against the vectors as they are, and
// the back ends against libsodium on the vectors' keys, texts, ciphertexts and tags.
#include "crypto/aead.h"

#include <gtest/gtest.h>
#include <sodium.h>

#include <cstring>
#include <fstream>
#include <sstream>
#include <string>

#include "hex.h"
#include "util/bytes.h"

namespace weft::crypto {
namespace {

using Bytes = std::vector<uint8_t>;
using test::from_hex;

constexpr size_t kNonceSize = crypto_aead_chacha20poly1305_ietf_NPUBBYTES;

Bytes sodium_seal(const Bytes& key, const Bytes& nonce, const Bytes& aad, const Bytes& text) {
  Bytes out(text.size() + kAeadTagSize);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, text.data(), text.size(), aad.data(), aad.size(),
                                            nullptr, nonce.data(), key.data());
  return out;
}

bool sodium_open(const Bytes& key, const Bytes& nonce, const Bytes& aad, const Bytes& sealed, Bytes& text) {
  text.resize(sealed.size() - kAeadTagSize);
  return crypto_aead_chacha20poly1305_ietf_decrypt(text.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                                   aad.data(), aad.size(), nonce.data(), key.data()) == 0;
}

Bytes nonce_of(uint64_t counter) {
  Bytes nonce(kNonceSize);
  store_le64(nonce.data() + 4, counter);
  return nonce;
}

Bytes joined(const Bytes& a, const Bytes& b) {
  Bytes out = a;
  out.insert(out.end(), b.begin(), b.end());
  return out;
}

struct Vector {
  int id;
  bool valid;
  Bytes nonce, key, aad, text, ciphertext, tag;
};

std::vector<Vector> wycheproof() {
  std::ifstream file(WEFT_VECTORS "/wycheproof-chacha20-poly1305.txt");
  std::vector<Vector> vectors;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream fields(line);
    Vector v;
    std::string result, hex[6];
    fields >> v.id >> result;
    for (std::string& h : hex) fields >> h;
    v.valid = result == "valid";
    Bytes* const targets[] = {&v.nonce, &v.key, &v.aad, &v.text, &v.ciphertext, &v.tag};
    for (size_t i = 0; i < 6; ++i) *targets[i] = from_hex(hex[i]);
    vectors.push_back(v);
  }
  return vectors;
}

TEST(AeadOracle, Rfc8439Example) {  // 2.8.2
  const std::string_view text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be "
      "it.";
  const Bytes sealed = sodium_seal(from_hex("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
                                   from_hex("070000004041424344454647"), from_hex("50515253c0c1c2c3c4c5c6c7"),
                                   {text.begin(), text.end()});
  EXPECT_EQ(
      sealed,
      from_hex(
          "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a"
          "9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9d"
          "e576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"));
}

TEST(AeadOracle, Wycheproof) {
  size_t run = 0;
  size_t refused_nonces = 0;
  for (const Vector& v : wycheproof()) {
    if (v.nonce.size() != kNonceSize) {  // libsodium's interface cannot express these
      EXPECT_FALSE(v.valid) << v.id;
      ++refused_nonces;
      continue;
    }
    Bytes text;
    ASSERT_EQ(sodium_open(v.key, v.nonce, v.aad, joined(v.ciphertext, v.tag), text), v.valid) << v.id;
    if (v.valid) {
      EXPECT_EQ(text, v.text) << v.id;
      EXPECT_EQ(sodium_seal(v.key, v.nonce, v.aad, v.text), joined(v.ciphertext, v.tag)) << v.id;
    }
    ++run;
  }
  EXPECT_EQ(run, 316u);
  EXPECT_EQ(refused_nonces, 9u);
}

class AeadBackEnd : public testing::TestWithParam<const Aead*> {
 protected:
  // One batch of all `texts`, each with its own key and counter.
  static std::vector<AeadJob> jobs(const std::vector<Vector>& vectors, std::vector<Bytes>& buffers) {
    std::vector<AeadJob> list;
    for (size_t i = 0; i < vectors.size(); ++i) {
      list.push_back({.key = vectors[i].key.data(),
                      .counter = load_le64(vectors[i].nonce.data() + 4),
                      .data = buffers[i].data(),
                      .length = static_cast<uint32_t>(buffers[i].size() - kAeadTagSize),
                      .ok = false});
    }
    return list;
  }

  static std::vector<Vector> expressible() {
    std::vector<Vector> list = wycheproof();
    std::erase_if(list, [](const Vector& v) { return v.nonce.size() != kNonceSize; });
    return list;
  }
};

TEST_P(AeadBackEnd, SealsAndOpensWycheproofTexts) {
  const auto vectors = expressible();
  std::vector<Bytes> buffers;
  std::vector<Bytes> expected;
  for (const Vector& v : vectors) {
    buffers.push_back(joined(v.text, Bytes(kAeadTagSize)));
    expected.push_back(sodium_seal(v.key, nonce_of(load_le64(v.nonce.data() + 4)), {}, v.text));
  }
  auto batch = jobs(vectors, buffers);
  GetParam()->seal(batch);
  for (size_t i = 0; i < vectors.size(); ++i) EXPECT_EQ(buffers[i], expected[i]) << vectors[i].id;
  GetParam()->open(batch);
  for (size_t i = 0; i < vectors.size(); ++i) {
    EXPECT_TRUE(batch[i].ok) << vectors[i].id;
    EXPECT_EQ(Bytes(buffers[i].begin(), buffers[i].end() - kAeadTagSize), vectors[i].text) << vectors[i].id;
  }
}

// The ciphertexts with edge cases for Poly1305 reach it unchanged when opened; libsodium gives their tags under our
// nonces. Every vector is opened with the right tag and, as in Wycheproof, with one that has a bit flipped.
TEST_P(AeadBackEnd, OpensWycheproofCiphertexts) {
  const auto vectors = expressible();
  for (const int flipped : {-1, 0, 1, 7, 31, 63, 64, 97, 127}) {
    std::vector<Bytes> buffers;
    for (const Vector& v : vectors) {
      const Bytes nonce = nonce_of(load_le64(v.nonce.data() + 4));
      // Sealing the ciphertext yields the key stream's effect twice: what seals to the ciphertext.
      const Bytes twice = sodium_seal(v.key, nonce, {}, v.ciphertext);
      const Bytes text(twice.begin(), twice.end() - kAeadTagSize);
      Bytes& sealed = buffers.emplace_back(sodium_seal(v.key, nonce, {}, text));
      ASSERT_TRUE(std::equal(v.ciphertext.begin(), v.ciphertext.end(), sealed.begin())) << v.id;
      if (flipped >= 0) {
        sealed[v.ciphertext.size() + static_cast<size_t>(flipped / 8)] ^= static_cast<uint8_t>(1 << flipped % 8);
      }
    }
    auto batch = jobs(vectors, buffers);
    GetParam()->open(batch);
    for (size_t i = 0; i < vectors.size(); ++i) EXPECT_EQ(batch[i].ok, flipped < 0) << vectors[i].id;
  }
}

// How much of the data a back end can run word for word: nothing, as long as no vector has our nonces and no AAD.
TEST(AeadOracle, NoWycheproofVectorFitsTheLeafInterface) {
  size_t fit = 0;
  for (const Vector& v : wycheproof()) {
    if (v.nonce.size() == kNonceSize && v.aad.empty() && load_le32(v.nonce.data()) == 0) ++fit;
  }
  EXPECT_EQ(fit, 0u) << "run these as they are";
}

TEST(Aead, DefaultIsTheFirstAndLibsodiumTheLast) {
  ASSERT_FALSE(available_aeads().empty());
  EXPECT_EQ(&default_aead(), available_aeads().front());
  EXPECT_EQ(available_aeads().back()->name, "libsodium");
  for (const Aead* aead : available_aeads()) EXPECT_NE(aead, nullptr);
}

INSTANTIATE_TEST_SUITE_P(All, AeadBackEnd, testing::ValuesIn(available_aeads().begin(), available_aeads().end()),
                         [](const auto& suite) {
                           std::string name(suite.param->name);
                           std::erase_if(name, [](char c) { return !std::isalnum(static_cast<unsigned char>(c)); });
                           return name;
                         });

}  // namespace
}  // namespace weft::crypto
