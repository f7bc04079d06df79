<?php

declare(strict_types=1);

namespace App\Kernel;

/**
 * What objects look like as JSON: the properties' names and types, and for lists what the doc comment says they are of.
 * This is what serialisers find out; types they cannot write are told at the start.
 */
final class Shapes
{
    /** @var array<class-string, array<string, array{type: string, of: string|null, nullable: bool}>> */
    private array $shapes = [];

    public function __construct(Classes $classes)
    {
        foreach ($classes->in('Entity', 'Input', 'Event') as $class) {
            $documented = self::parameters((string) $class->getConstructor()?->getDocComment());
            foreach ($class->getProperties(\ReflectionProperty::IS_PUBLIC) as $property) {
                $type = $property->getType();
                if (!$type instanceof \ReflectionNamedType) {
                    throw new \UnexpectedValueException("{$class->name}::\${$property->name} has no single type");
                }
                $name = self::snake($property->name);
                $comment = $documented[$property->name] ?? self::variable((string) $property->getDocComment());
                $this->shapes[$class->name][$name] = [
                    'type' => $type->getName(),
                    'of' => $type->getName() === 'array' ? self::itemOf($comment, $class->name, $name) : null,
                    'nullable' => $type->allowsNull(),
                ];
            }
        }
    }

    /** @return array<string, string> parameter => type, of `@param list<string> $tags` */
    private static function parameters(string $comment): array
    {
        preg_match_all('/@param\s+(\S.*?)\s+\$(\w+)/', $comment, $found);

        return array_combine($found[2], $found[1]);
    }

    private static function variable(string $comment): string
    {
        return preg_match('/@var\s+(\S[^*\n]*)/', $comment, $found) ? trim($found[1]) : '';
    }

    private static function itemOf(string $documented, string $class, string $name): string
    {
        if (preg_match('/^(?:list|array)<(?:\w+,\s*)?([\w\\\\]+)>$/', $documented, $found)) {
            return $found[1];
        }
        throw new \UnexpectedValueException("{$class}: what {$name} is a list of must be said: list<string>");
    }

    private static function snake(string $name): string
    {
        return strtolower((string) preg_replace('/(?<!^)[A-Z]/', '_$0', $name));
    }

    /** @return array<string, mixed> */
    public function write(object $value): array
    {
        $values = array_values(get_object_vars($value));

        return array_combine(array_keys($this->shapes[$value::class]), $values);
    }
}
