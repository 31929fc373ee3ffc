{
  'variables': {
    # `node scripts/build-native.mjs -- -Dsanitize=address` makes an instrumented addon; see README.md.
    'sanitize%': '',
    # What every target that has an I/O engine is made of.
    'engine': [
      'src/core/completion_queue.cpp',
      'src/core/errors.cpp',
      'src/core/io_bell.cpp',
      'src/core/io_engine.cpp',
      'src/core/io_job.cpp',
      'src/core/io_rows.cpp',
      'src/core/io_slots.cpp',
      'src/core/io_table.cpp',
      'src/core/lone_answer.cpp',
      'src/core/memory_users.cpp',
      'src/core/run_delay.cpp'
    ],
    # And every target of a storage library that is found at run time.
    'library': ['src/core/dynamic_library.cpp', 'src/core/session_object.cpp']
  },
  'target_defaults': {
    'include_dirs': ["<!(node -p \"require('node-addon-api').include_dir\")"],
    'defines': ['NAPI_VERSION=9', 'NAPI_DISABLE_CPP_EXCEPTIONS', '_GNU_SOURCE'],
    'cflags_cc!': ['-std=gnu++17', '-std=gnu++20'],
    'cflags_cc': ['-std=c++17', '-O2', '-Wall', '-Wextra', '-fvisibility=hidden'],
    'conditions': [
      ['sanitize!=""', {
        'cflags_cc': ['-fsanitize=<(sanitize)', '-fno-omit-frame-pointer', '-g'],
        'ldflags': ['-fsanitize=<(sanitize)']
      }]
    ]
  },
  'targets': [
    {
      'target_name': 'tcmu_core',
      'sources': [
        '<@(engine)',
        'src/core/addon.cpp',
        'src/core/crc32c.cpp',
        'src/core/crew.cpp',
        'src/core/descriptors.cpp',
        'src/core/direct.cpp',
        'src/core/extent_map.cpp',
        'src/core/file_admission.cpp',
        'src/core/file_job.cpp',
        'src/core/file_medium.cpp',
        'src/core/helper_saving.cpp',
        'src/core/io_thread.cpp',
        'src/core/netlink_socket.cpp',
        'src/core/syscalls.cpp',
        'src/core/thread_backend.cpp',
        'src/core/uio_map.cpp',
        'src/core/uring.cpp',
        'src/core/uring_backend.cpp'
      ]
    },
    {
      'target_name': 'tcmu_rbd',
      'sources': [
        '<@(engine)',
        '<@(library)',
        'src/rbd/addon.cpp',
        'src/rbd/cluster_calls.cpp',
        'src/rbd/image.cpp',
        'src/rbd/image_medium.cpp',
        'src/rbd/library.cpp',
        'src/rbd/lock_calls.cpp'
      ]
    },
    {
      'target_name': 'tcmu_glfs',
      'sources': [
        '<@(engine)',
        '<@(library)',
        'src/glfs/addon.cpp',
        'src/glfs/connection.cpp',
        'src/glfs/file_session.cpp',
        'src/glfs/library.cpp',
        'src/glfs/volume_medium.cpp'
      ],
      # Threads that nobody waits for run its code, also after the environment that loaded it.
      'ldflags': ['-Wl,-z,nodelete']
    }
  ]
}
