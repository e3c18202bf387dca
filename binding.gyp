# The addon for node-gyp, where cmake is missing. CMakeLists.txt is the reference: same sources, flags and output path.
{
  'targets': [{
    'target_name': 'weft',
    'sources': [
      '<!@(node -p "[\'native/sources.txt\', \'native/binding-sources.txt\'].map((f) => fs.readFileSync(f, \'utf8\')).join(\'\').trim().split(/\\s+/).join(\' \')")',
    ],
    'include_dirs': ['native/src', '<!(node -p "require(\'node-addon-api\').include_dir")'],
    'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_CPP_EXCEPTIONS', 'NDEBUG'],
    'cflags!': ['-fno-exceptions'],
    'cflags_cc!': ['-fno-exceptions', '-fno-rtti', '-std=gnu++17', '-std=gnu++20'],
    'cflags': [
      '-O3', '-g',
      '-fno-omit-frame-pointer', '-fvisibility=hidden', '-fvisibility-inlines-hidden',
      '-fstack-protector-strong', '-fstack-clash-protection', '-U_FORTIFY_SOURCE', '-D_FORTIFY_SOURCE=2',
      '<!@(pkg-config --cflags libsodium)',
      '<!@(pkg-config --exists "liburing >= 2.3" && pkg-config --cflags liburing && echo -DWEFT_HAVE_LIBURING || true)',
    ],
    'cflags_cc': ['-std=c++20'],
    'ldflags': ['-Wl,-z,relro,-z,now,-z,noexecstack'],
    'libraries': [
      '<!@(pkg-config --libs libsodium)', '-lpthread',
      '<!@(pkg-config --exists "liburing >= 2.3" && pkg-config --libs-only-L liburing && echo -l:liburing.a || true)',
    ],
    'conditions': [['target_arch=="x64"', {'cflags': ['-fcf-protection']}]],
  }],
}
