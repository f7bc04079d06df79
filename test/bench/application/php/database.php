<?php

declare(strict_types=1);

/** Makes the database of all modules. usage: php database.php FILE gadget gizmo … */

[, $file] = $argv;
$pdo = new PDO("sqlite:$file", options: [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);
$pdo->beginTransaction();
foreach (array_slice($argv, 2) as $table) {
    $pdo->exec("CREATE TABLE $table (id INTEGER PRIMARY KEY, sku TEXT, title TEXT, price_cents INTEGER, stock INTEGER, changed_at TEXT)");
    $pdo->exec("CREATE TABLE {$table}_discount (gadget_id INTEGER PRIMARY KEY, from_quantity INTEGER, percent INTEGER)");
    $row = $pdo->prepare("INSERT INTO $table VALUES (?, ?, ?, ?, ?, ?)");
    $discount = $pdo->prepare("INSERT INTO {$table}_discount VALUES (?, ?, ?)");
    for ($id = 1; $id <= 50; ++$id) {
        $row->execute([$id, "SKU-$id", "A $table, number $id", 995 + $id * 100, 100, '2026-01-01']);
        $discount->execute([$id, 10, 5]);
    }
}
$pdo->commit();
