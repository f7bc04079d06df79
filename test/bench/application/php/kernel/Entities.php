<?php

declare(strict_types=1);

namespace App\Kernel;

/** Which property of which entity lies in which column; the SQL that follows from it. */
final class Entities
{
    /** @var array<class-string, array{select: string, key: string, columns: array<string, string>}> */
    private array $maps = [];

    public function __construct(Classes $classes)
    {
        foreach ($classes->propertiesWith(Column::class) as $property => $column) {
            $map = &$this->maps[$property->class];
            $map['columns'][$property->name] = $column->name;
            if ($column->isKey) {
                $map['key'] = $column->name;
            }
        }
        unset($map);
        foreach ($this->maps as $class => &$map) {
            $table = (new \ReflectionClass($class))->getAttributes(Table::class)[0] ?? null;
            if ($table === null || !isset($map['key'])) {
                throw new \UnexpectedValueException("{$class} has columns, but no table or no key");
            }
            $names = array_map(static fn (string $property, string $column): string => "$column AS $property", array_keys($map['columns']), $map['columns']);
            $map['select'] = 'SELECT ' . implode(', ', $names) . ' FROM ' . $table->newInstance()->name;
        }
    }

    /** @param class-string $class */
    public function selectPage(string $class): string
    {
        return $this->maps[$class]['select'] . ' ORDER BY ' . $this->maps[$class]['key'] . ' LIMIT ? OFFSET ?';
    }

    /** @param class-string $class */
    public function select(string $class): string
    {
        return $this->maps[$class]['select'] . ' WHERE ' . $this->maps[$class]['key'] . ' = ?';
    }
}
