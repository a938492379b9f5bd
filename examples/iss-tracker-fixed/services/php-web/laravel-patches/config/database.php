<?php

return [
    'default' => env('DB_CONNECTION', 'pgsql'),

    'connections' => [
        'pgsql' => [
            'driver' => 'pgsql',
            'host' => env('DB_HOST', 'postgres'),
            'port' => env('DB_PORT', '5432'),
            'database' => env('DB_DATABASE', 'iss_tracker'),
            'username' => env('DB_USERNAME', 'iss_user'),
            'password' => env('DB_PASSWORD', ''),
            'charset' => 'utf8',
            'prefix' => '',
            'prefix_indexes' => true,
            'search_path' => 'public',
            'sslmode' => 'prefer',
            'application_name' => 'php-web',
            'options' => [
                // Limits connecting, never queries
                PDO::ATTR_TIMEOUT => 5,
            ],
        ],
    ],
];
